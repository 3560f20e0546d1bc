"""Tasks: one LightningModule, and what each task fills in."""
