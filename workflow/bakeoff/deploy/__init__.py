"""From a finished run to an answer about one image: export, prediction, model card."""
