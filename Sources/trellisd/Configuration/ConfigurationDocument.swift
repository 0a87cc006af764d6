/// docs/configuration.md, written from the table of settings by `trellisd options`.
enum ConfigurationDocument {
    static func markdown(_ settings: Settings) -> String {
        var text = """
            # Configuration of trellisd

            Written by `trellisd options`; a test fails when this file and the program differ.

            Each setting is a flag, an environment variable and, where marked, a key of the file that `--config` names. The
            first that is given counts, in that order; then the default. A value that makes no sense stops the program with
            exit code 2 and names the source of the value and what would be right.

            The file has a line `name = value` for each setting. `#` begins a comment at the start of a line or after a
            space; a value with such a `#` in it stands in double quotes.

                # /etc/trellis/trellisd.conf
                listen = 0.0.0.0:7070
                grace  = 1m


            """
        text += "| flag | variable | in file | default | what it does |\n|---|---|---|---|---|\n"
        for entry in settings.all {
            text +=
                "| `--\(entry.name) \(entry.placeholder)` | `\(entry.variable)` | \(entry.inFile ? "yes" : "no") "
                + "| \(entry.defaultText) | \(entry.help) |\n"
        }
        return text
    }
}
