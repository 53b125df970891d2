"""Files and frames of interactions in, Arrow record batches out."""
