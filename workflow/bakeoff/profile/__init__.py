"""What a model costs: parameters, multiply-adds, time and memory. One process a model: none disturbs another."""
