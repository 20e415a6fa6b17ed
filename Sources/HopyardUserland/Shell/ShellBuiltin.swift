import HopyardSimulator

/// A command that is part of the shell because it changes the shell.
struct ShellBuiltin: Sendable {
  typealias Body = @Sendable (Shell, [String]) async throws(ShellUnwind) -> Int32

  var check: @Sendable (CommandCheck) -> Void = { _ in }
  var run: Body

  init(check: @escaping @Sendable (CommandCheck) -> Void = { _ in }, run: @escaping Body) {
    self.check = check
    self.run = run
  }

  /// Says that an option that begins with `-` is not modelled, but those named.
  static func options(_ known: Set<String>) -> @Sendable (CommandCheck) -> Void {
    { check in
      for (index, text) in check.texts.enumerated() {
        guard let text, text.hasPrefix("-"), text.count > 1, text != "--" else { return }
        if !known.contains(text) {
          check.report(index, "`\(check.name) \(text)' is not modelled")
        }
      }
    }
  }

  static let all: [String: ShellBuiltin] = [
    "cd": ShellBuiltin(check: options([])) { shell, arguments async throws(ShellUnwind) in
      let target = arguments.first { $0 != "--" } ?? shell.value(of: "HOME") ?? "/"
      let path = target == "-" ? shell.value(of: "OLDPWD") ?? "/" : target
      switch shell.process.kind(of: path) {
      case .directory?:
        try await shell.set("OLDPWD", shell.process.directory)
        shell.process.directory = shell.process.path(path)
        return 0
      case nil:
        try await shell.complain("cd: \(path): No such file or directory")
        return 1
      default:
        try await shell.complain("cd: \(path): Not a directory")
        return 1
      }
    },
    "export": ShellBuiltin(check: options(["-n"])) { shell, arguments async throws(ShellUnwind) in
      try await declare(shell, arguments) { shell, name in shell.export(name) }
    },
    "readonly": ShellBuiltin(check: options([])) { shell, arguments async throws(ShellUnwind) in
      try await declare(shell, arguments) { shell, name in
        shell.variables[name, default: Shell.Variable(value: "")].isReadOnly = true
      }
    },
    "local": ShellBuiltin(check: options([])) { shell, arguments async throws(ShellUnwind) in
      guard !shell.scopes.isEmpty else {
        try await shell.complain("local: can only be used in a function")
        return 1
      }
      for argument in arguments {
        let name = String(argument.prefix { $0 != "=" })
        let last = shell.scopes.count - 1
        if shell.scopes[last][name] == nil {
          shell.scopes[last][name] = .some(shell.variables[name])
        }
        shell.variables[name] = Shell.Variable(value: "")
      }
      return try await declare(shell, arguments) { _, _ in }
    },
    "unset": ShellBuiltin(check: options(["-v", "-f"])) {
      shell,
      arguments async throws(ShellUnwind) in
      for name in arguments where !name.hasPrefix("-") {
        if arguments.first != "-v" { shell.functions[name] = nil }
        if arguments.first != "-f" {
          if shell.variables[name]?.isReadOnly == true {
            try await shell.complain("unset: \(name): cannot unset: readonly variable")
            return 1
          }
          shell.unset(name)
        }
      }
      return 0
    },
    "set": ShellBuiltin(check: checkSet) { shell, arguments async throws(ShellUnwind) in
      try await set(shell, arguments)
    },
    "shift": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      let count = arguments.first.flatMap { Int($0) } ?? 1
      guard count >= 0, count <= shell.positional.count else { return 1 }
      shell.positional.removeFirst(count)
      return 0
    },
    "exit": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      throw .exit(try await number(shell, "exit", arguments) & 0xFF)
    },
    "return": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      throw .return(try await number(shell, "return", arguments) & 0xFF)
    },
    "break": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      guard shell.loopDepth > 0 else { return 0 }
      let count = max(
        1,
        Int(try await number(shell, "break", arguments.isEmpty ? ["1"] : arguments))
      )
      throw .break(min(count, shell.loopDepth))
    },
    "continue": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      guard shell.loopDepth > 0 else { return 0 }
      let count = max(
        1,
        Int(try await number(shell, "continue", arguments.isEmpty ? ["1"] : arguments))
      )
      throw .continue(min(count, shell.loopDepth))
    },
    "eval": ShellBuiltin(check: { check in
      if check.arguments.count == 1 { check.checkScript(0) }
    }) { shell, arguments async throws(ShellUnwind) in
      shell.status = 0
      try await shell.runText(arguments.joined(separator: " "))
      return shell.status
    },
    ".": source,
    "source": source,
    "exec": ShellBuiltin(check: { check in
      if let first = check.texts.first, first?.hasPrefix("-") == true {
        check.report(0, "options of `exec' are not modelled")
      } else {
        check.checkCommand(from: 0)
      }
    }) { _, _ async throws(ShellUnwind) in 0 },
    "wait": ShellBuiltin(check: options([])) { shell, arguments async throws(ShellUnwind) in
      try await wait(shell, arguments)
    },
    "kill": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      try await kill(shell, arguments)
    },
    "read": ShellBuiltin(check: { $0.checkOptions(readOptions) }) {
      shell,
      arguments async throws(ShellUnwind) in
      try await read(shell, arguments)
    },
    "let": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      var value: Int64 = 0
      for argument in arguments {
        let text = ShellText(argument, at: shell.process.place?.offset ?? 0)
        value = try await shell.arithmetic(
          Word(offset: 0, parts: [.literal(text, isQuoted: true)])
        )
      }
      return value == 0 ? 1 : 0
    },
    "command": ShellBuiltin(check: { check in
      guard let first = check.texts.first else { return }
      if first == "-v" || first == "-V" { return }
      if first?.hasPrefix("-") == true {
        check.report(0, "`command \(first ?? "")' is not modelled")
      } else if let first, ShellBuiltin.all[first] == nil {
        check.checkCommand(from: 0)
      }
    }) { shell, arguments async throws(ShellUnwind) in
      try await command(shell, arguments)
    },
    "builtin": ShellBuiltin { shell, arguments async throws(ShellUnwind) in
      try await command(shell, arguments)
    },
    "type": ShellBuiltin(check: options(["-t", "-p"])) {
      shell,
      arguments async throws(ShellUnwind) in
      try await type(shell, arguments)
    },
    "umask": ShellBuiltin { _, _ async throws(ShellUnwind) in 0 },
    "disown": ShellBuiltin { _, _ async throws(ShellUnwind) in 0 },
    "trap": refused("trap"), "declare": refused("declare"), "typeset": refused("typeset"),
    "alias": refused("alias"), "unalias": refused("unalias"), "ulimit": refused("ulimit"),
    "getopts": refused("getopts"), "jobs": refused("jobs"), "fg": refused("fg"),
    "bg": refused("bg"), "history": refused("history"), "shopt": refused("shopt"),
    "mapfile": refused("mapfile"), "readarray": refused("readarray"), "times": refused("times"),
    "suspend": refused("suspend"), "pushd": refused("pushd"), "popd": refused("popd"),
    "dirs": refused("dirs"), "hash": refused("hash"), "caller": refused("caller"),
    "enable": refused("enable"), "logout": refused("logout"),
  ]

  private static func refused(_ name: String) -> ShellBuiltin {
    ShellBuiltin(check: { $0.report(nil, "the shell's `\(name)' is not modelled") }) {
      _,
      _ async throws(ShellUnwind) in
      throw .process(.refused("the shell's `\(name)' is not modelled"))
    }
  }

  private static let source = ShellBuiltin { shell, arguments async throws(ShellUnwind) in
    guard let path = arguments.first else {
      try await shell.complain(".: filename argument required")
      return 2
    }
    let bytes: [UInt8]
    do {
      bytes = try shell.process.contents(of: path)
    } catch {
      try await shell.complain("\(path): \(error)")
      return 1
    }
    let outer = shell.positional
    if arguments.count > 1 { shell.positional = Array(arguments.dropFirst()) }
    defer { shell.positional = outer }
    shell.status = 0
    guard shell.functionDepth < 100 else {
      throw .process(.refused("files that source each other more than 100 deep are not modelled"))
    }
    shell.functionDepth += 1
    defer { shell.functionDepth -= 1 }
    do throws(ShellUnwind) {
      try await shell.runText(String(decoding: bytes, as: UTF8.self))
    } catch .return(let status) {
      return status
    }
    return shell.status
  }

  private static func number(_ shell: Shell, _ name: String, _ arguments: [String])
    async throws(ShellUnwind) -> Int32
  {
    guard let first = arguments.first else { return shell.status }
    guard let number = Int64(first) else {
      try await shell.complain("\(name): \(first): numeric argument required")
      return 2
    }
    return Int32(truncatingIfNeeded: number)
  }
}
