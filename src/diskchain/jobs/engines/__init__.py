"""What copies the data of a job. One interface, so that ``run`` does not know who does it."""
