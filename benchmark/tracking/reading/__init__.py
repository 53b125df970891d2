"""Reading: trials and sweeps, as the tracking server has them."""
