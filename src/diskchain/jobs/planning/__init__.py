"""What each verb comes to on a known chain: a plan, or the reasons why not. What only the host knows is in ``jobs.preflight``."""
