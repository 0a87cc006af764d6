/// The commands of the program.
enum Command: String, CaseIterable, Sendable {
    case serve
    case migrate
    case version
    case options
    case help
}

/// One setting of the server: the single place where its name, its kind, its range and its default stand.
///
/// The flag, the environment variable, the key in the configuration file, the help and docs/configuration.md all come
/// from here. A setting `max-message-size` is the flag `--max-message-size`, the variable `TRELLIS_MAX_MESSAGE_SIZE` and
/// the key `max-message-size`.
struct Setting<Value: Sendable>: Sendable {
    let entry: SettingEntry
    let defaultValue: Value
    let read: @Sendable (String) throws(BadValue) -> Value
}

/// What is known of a setting whatever its type.
struct SettingEntry: Sendable {
    /// The words of the name, joined by hyphens.
    let name: String
    /// What its value is called in help.
    let placeholder: String
    /// What the default is, in words or as it would be written.
    let defaultText: String
    /// What the setting does, for people; ends with a full stop.
    let help: String
    /// Never shown again: not in logs, not in errors.
    var secret = false
    /// The commands that take it.
    var commands: Set<Command> = [.serve]
    /// Whether it can stand in the configuration file.
    var inFile = true

    var variable: String { "TRELLIS_" + name.uppercased().replacing("-", with: "_") }
}
