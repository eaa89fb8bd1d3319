"""What a training step costs: the loop, the balancing methods, looking at gradients, several devices."""
