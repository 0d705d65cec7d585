"""Tables, figures and one HTML file from what the comparison found. Formats; computes nothing but the frontier line."""
