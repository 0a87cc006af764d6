internal import Glibc

/// Ends the program.
func exit(code: Int32) -> Never { Glibc.exit(code) }
