import Foundation
import PackagePlugin

/// Writes `Migrations/*.sql` and `Bootstrap/roles.sql` of a target into one Swift file of string literals, at build time.
///
/// SwiftPM's own `embedInCode` writes each byte as a number, which compiles slowly, and wants every file named in the
/// code; a committed file would have to be regenerated with each edit. This way a new migration is just a new file.
@main
struct EmbedMigrations: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let files = FileManager.default
        let folder = target.directoryURL.appending(path: "Migrations")
        let migrations = try files.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "sql" }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
        let roles = target.directoryURL.appending(path: "Bootstrap/roles.sql")
        let script = context.package.directoryURL.appending(path: "Plugins/EmbedMigrations/embed.sh")
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedSQL.swift")
        return [
            .buildCommand(
                displayName: "Embed \(migrations.count) migrations",
                executable: URL(filePath: "/bin/sh"),
                arguments: [script.path, output.path, roles.path] + migrations.map(\.path),
                inputFiles: [script, roles] + migrations,
                outputFiles: [output]
            )
        ]
    }
}
