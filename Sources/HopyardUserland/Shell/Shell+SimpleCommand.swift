/// Simple commands: assignments, functions, builtins and programs.
extension Shell {
  func runSimple(
    _ command: ShellCommand,
    _ assignments: [Assignment],
    _ words: [Word],
    isFinal: Bool
  ) async throws(ShellUnwind) {
    let before = status
    substitutionStatus = nil
    let arguments = try await expand(words)
    guard let first = arguments.first else {
      for assignment in assignments { try await assign(assignment) }
      if options.isTracing, !assignments.isEmpty {
        for assignment in assignments {
          try await trace(["\(assignment.name)=\(Self.quoted(value(of: assignment.name) ?? ""))"])
        }
      }
      status = 0
      if !command.redirections.isEmpty { try await redirected(command.redirections) { _ in } }
      if status == 0 { status = substitutionStatus ?? 0 }
      return
    }
    var settings: [(name: String, value: String)] = []
    for assignment in assignments {
      let value = try await expandToString(assignment.value)
      let old = assignment.isAppend ? self.value(of: assignment.name) ?? "" : ""
      settings.append((assignment.name, old + value))
    }
    if options.isTracing {
      let values = settings.map { "\($0.name)=\(Self.quoted($0.value))" }
      try await trace(values + arguments.map(Self.quoted))
    }
    status = before
    process.place = (source, words[0].offset)
    let rest = Array(arguments.dropFirst())
    if let function = functions[first] {
      try await withSettings(settings) { shell async throws(ShellUnwind) in
        try await shell.redirected(command.redirections) { shell async throws(ShellUnwind) in
          try await shell.call(function, rest)
        }
      }
      return
    }
    if let builtin = ShellBuiltin.all[first] {
      if first == "exec" {
        for setting in settings { try await set(setting.name, setting.value) }
        try await runExec(command.redirections, rest)
        return
      }
      try await withSettings(settings) { shell async throws(ShellUnwind) in
        try await shell.redirected(command.redirections) { shell async throws(ShellUnwind) in
          shell.process.name = first
          shell.status = try await builtin.run(shell, rest)
        }
      }
      return
    }
    guard let found = process.userland.commands[Self.base(first)] else {
      throw .process(.refused("the command `\(first)' is not modelled"))
    }
    if found.isBuiltin, !first.contains("/") {
      try await redirected(command.redirections) { shell async throws(ShellUnwind) in
        shell.process.name = first
        shell.status = try await shell.guarded { process async throws(ProcessExit) in
          try await shell.runBuiltin(found, process, rest)
        }
      }
      return
    }
    if isFinal {
      try await runExternal(found, rest, settings, command.redirections)
      return
    }
    let child = try fork()
    child.process.place = process.place
    child.start { shell async throws(ShellUnwind) in
      try await shell.runExternal(found, rest, settings, command.redirections)
      return shell.status
    }
    status = try await wait(for: child.process)
  }

  private func runBuiltin(_ command: Command, _ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    if flavour == .dash, command.name == "echo" {
      return try await EchoCommand.runDash(process, arguments)
    }
    return try await command.run(process, arguments)
  }

  static func base(_ name: String) -> String {
    guard name.contains("/") else { return name }
    return name.split(separator: "/").last.map(String.init) ?? name
  }

  /// Becomes an external command: redirections, then the time that starting takes, then the command.
  private func runExternal(
    _ command: Command,
    _ arguments: [String],
    _ settings: [(name: String, value: String)],
    _ redirections: [Redirection]
  ) async throws(ShellUnwind) {
    for setting in settings { process.environment[setting.name] = setting.value }
    guard try await apply(redirections) else { return }
    do {
      process.name = Self.base(command.name)
      try await process.sleep(nanoseconds: Self.startCost)
      status = try await command.run(process, arguments)
    } catch {
      throw .process(error)
    }
  }

  private func runExec(_ redirections: [Redirection], _ arguments: [String])
    async throws(ShellUnwind)
  {
    guard try await apply(redirections) else {
      throw .exit(1)
    }
    status = 0
    guard let first = arguments.first else { return }
    guard let found = process.userland.commands[Self.base(first)] else {
      throw .process(.refused("the command `\(first)' is not modelled"))
    }
    try await runExternal(found, Array(arguments.dropFirst()), [], [])
    throw .exit(status)
  }

  private func call(_ function: FunctionBody, _ arguments: [String]) async throws(ShellUnwind) {
    if functionDepth >= 100 {
      throw .process(.refused("functions that call each other more than 100 deep are not modelled"))
    }
    let outer = positional
    let outerLoops = loopDepth
    positional = arguments
    functionDepth += 1
    loopDepth = 0
    scopes.append([:])
    defer {
      functionDepth -= 1
      loopDepth = outerLoops
      positional = outer
      for (name, variable) in scopes.removeLast() { variables[name] = variable }
    }
    do {
      try await run(function.command, isFinal: false)
    } catch .return(let status) {
      self.status = status
    }
  }

  /// Runs `body` with variables that hold for one command only.
  private func withSettings(
    _ settings: [(name: String, value: String)],
    _ body: (Shell) async throws(ShellUnwind) -> Void
  ) async throws(ShellUnwind) {
    if settings.isEmpty {
      try await body(self)
      return
    }
    let saved = settings.map { ($0.name, variables[$0.name], process.environment[$0.name]) }
    for setting in settings {
      try await set(setting.name, setting.value)
      export(setting.name)
    }
    defer {
      for (name, variable, exported) in saved {
        variables[name] = variable
        process.environment[name] = exported
      }
    }
    try await body(self)
  }

  private func assign(_ assignment: Assignment) async throws(ShellUnwind) {
    let value = try await expandToString(assignment.value)
    let old = assignment.isAppend ? self.value(of: assignment.name) ?? "" : ""
    try await set(assignment.name, old + value)
  }

  private func trace(_ words: [String]) async throws(ShellUnwind) {
    let mark = String(repeating: "+", count: 1 + (subshellDepth > 0 ? 1 : 0))
    let line = "\(mark) \(words.joined(separator: " "))\n"
    try await guarded { process async throws(ProcessExit) in
      try await process.printError(line)
      return 0
    }
  }
}
