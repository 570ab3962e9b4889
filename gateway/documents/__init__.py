"""What is in the bytes: mail to letters. Pure parsing of hostile input; runs in a process of its own."""
