import Glibc
import LoadTesting

exit(await LoadProgram.run(Array(CommandLine.arguments.dropFirst())))
