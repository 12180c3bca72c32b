{{ input_accounting() }}
