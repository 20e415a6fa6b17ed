/// Builtins that find and run commands.
extension ShellBuiltin {
  static func command(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind)
    -> Int32
  {
    guard let first = arguments.first else { return 0 }
    if first == "-v" || first == "-V" {
      if first == "-V" { return try await type(shell, Array(arguments.dropFirst())) }
      var status: Int32 = 1
      for name in arguments.dropFirst() {
        guard let place = place(of: name, shell) else { continue }
        status = 0
        try await shell.guarded { process async throws(ProcessExit) in
          try await process.print(place + "\n")
          return 0
        }
      }
      return status
    }
    if let builtin = all[first] {
      return try await builtin.run(shell, Array(arguments.dropFirst()))
    }
    guard let found = shell.process.userland.commands[Shell.base(first)] else {
      throw .process(.refused("the command `\(first)' is not modelled"))
    }
    if found.isBuiltin {
      return try await shell.guarded { process async throws(ProcessExit) in
        try await found.run(process, Array(arguments.dropFirst()))
      }
    }
    let child: Process
    do {
      child = try shell.process.spawn(arguments)
    } catch {
      throw .process(error)
    }
    return try await shell.wait(for: child)
  }

  private static func place(of name: String, _ shell: Shell) -> String? {
    if shell.functions[name] != nil || all[name] != nil { return name }
    guard let found = shell.process.userland.commands[Shell.base(name)] else { return nil }
    if found.isBuiltin || name.contains("/") { return name }
    return WhichCommand.path(of: name)
  }

  static func type(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32 {
    var status: Int32 = 0
    for name in arguments where !name.hasPrefix("-") {
      let text: String
      if shell.functions[name] != nil {
        text = arguments.first == "-t" ? "function" : "\(name) is a function"
      } else if all[name] != nil || shell.process.userland.commands[name]?.isBuiltin == true {
        text = arguments.first == "-t" ? "builtin" : "\(name) is a shell builtin"
      } else if shell.process.userland.commands[name] != nil {
        let path = WhichCommand.path(of: name)
        text =
          arguments.first == "-t" ? "file" : arguments.first == "-p" ? path : "\(name) is \(path)"
      } else {
        if arguments.first?.hasPrefix("-") != true {
          try await shell.complain("type: \(name): not found")
        }
        status = 1
        continue
      }
      try await shell.guarded { process async throws(ProcessExit) in
        try await process.print(text + "\n")
        return 0
      }
    }
    return status
  }
}
