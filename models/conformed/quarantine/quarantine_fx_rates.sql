{{ quarantine('fx_rates') }}
