import Files
import Glibc
import Terminal

/// Secrets that are read from the person, without showing them, or from a pipe: never from a command line, which other users
/// of the machine can see.
enum Secret {
    /// Reads one line. `name` says in errors what is missing.
    static func ask(_ prompt: String, _ name: String) throws -> String {
        guard isatty(0) == 1 else {
            let text = String(decoding: try Files.readStandardInput(), as: UTF8.self)
            return try checked(String(text.prefix { !$0.isNewline }), name)
        }
        Terminal.write(prompt, to: .error)
        var before = termios()
        tcgetattr(0, &before)
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSAFLUSH, &silent)
        let line = readLine() ?? ""
        tcsetattr(0, TCSAFLUSH, &before)
        Terminal.print("", to: .error)
        return try checked(line, name)
    }

    private static func checked(_ text: String, _ name: String) throws -> String {
        guard !text.isEmpty else { throw UsageError("no \(name) was given") }
        return text
    }
}
