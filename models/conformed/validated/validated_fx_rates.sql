{{ validated('fx_rates') }}
