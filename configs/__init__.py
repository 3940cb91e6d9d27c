"""The experiments, one YAML file each; `published/` holds the claims of each study."""
