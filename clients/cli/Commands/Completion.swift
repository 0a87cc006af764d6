import Terminal

/// Completion of words by the shell: the shell's script asks the program, so that what it offers is never out of date.
enum Completion {
    /// The shells that there are scripts for.
    enum Shell: String, CaseIterable {
        case bash
        case zsh
        case fish
    }

    /// The script to be read by the shell.
    static func script(_ shell: Shell) -> String {
        switch shell {
        case .bash:
            #"""
            # trellis completion bash > /etc/bash_completion.d/trellis
            _trellis() {
                local IFS=$'\n'
                COMPREPLY=($(compgen -W "$(trellis __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" \
                    -- "${COMP_WORDS[COMP_CWORD]}"))
            }
            complete -o default -F _trellis trellis
            """#
        case .zsh:
            #"""
            #compdef trellis
            # trellis completion zsh > "${fpath[1]}/_trellis"
            _trellis() {
                local -a candidates
                candidates=(${(f)"$(trellis __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
                if (( ${#candidates} )); then compadd -- $candidates; else _files; fi
            }
            compdef _trellis trellis
            """#
        case .fish:
            #"""
            # trellis completion fish > ~/.config/fish/completions/trellis.fish
            complete -c trellis -a '(trellis __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
            """#
        }
    }

    /// What the last of the words could become.
    static func candidates(_ words: [String], commands: [Command], catalog: Catalog) -> [String] {
        let last = words.last ?? ""
        let before = words.dropLast().filter { !$0.hasPrefix("-") }
        guard let first = before.first else {
            let names = commands.map { $0.name.split(separator: " ").first.map(String.init) ?? $0.name }
            return matching(last, names + catalog.services.map(\.command) + ["help"])
        }
        let inner = commands.filter { $0.name.hasPrefix(first + " ") }.map {
            String($0.name.dropFirst(first.count + 1))
        }
        let methods = catalog.service(command: first)?.methods ?? []
        if let method = methods.first(where: { before.count > 1 && $0.command == before[1] }) {
            return arguments(of: method, words, catalog)
        }
        if before.count == 1, !last.hasPrefix("-"), !(inner.isEmpty && methods.isEmpty) {
            return matching(last, inner + methods.map(\.command))
        }
        let name = before.joined(separator: " ")
        guard let command = commands.first(where: { name == $0.name || name.hasPrefix($0.name + " ") }) else {
            return []
        }
        return flags(last, words, command.flags)
    }

    private static func arguments(of method: CatalogMethod, _ words: [String], _ catalog: Catalog) -> [String] {
        let request = RequestFlags(method.input, catalog: catalog)
        let last = words.last ?? ""
        if let flag = words.dropLast().last, flag.hasPrefix("--"),
            let entry = request.entries.first(where: { "--\($0.name)" == flag })
        {
            let choices = RequestFlags.choices(entry.field, catalog)
            if !choices.isEmpty { return matching(last, choices) }
        }
        return flags(last, words, request.flags)
    }

    private static func flags(_ last: String, _ words: [String], _ flags: [Flag]) -> [String] {
        let all = flags + Session.flags
        if let before = words.dropLast().last, let flag = all.first(where: { "--\($0.name)" == before }) {
            if !flag.choices.isEmpty { return matching(last, flag.choices) }
            if flag.arity != .toggle { return [] }
        }
        return last.hasPrefix("-") ? matching(last, all.map { "--\($0.name)" }) : []
    }

    private static func matching(_ prefix: String, _ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { $0.hasPrefix(prefix) && seen.insert($0).inserted }.sorted()
    }
}
