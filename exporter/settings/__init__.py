"""Text of flags and files in, frozen values out, or one error with every fault and its place. Never acts on them."""
