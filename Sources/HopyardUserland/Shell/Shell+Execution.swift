import HopyardSimulator

extension Shell {
  /// Runs a list; the result is the status of its last command.
  @discardableResult
  func run(_ list: CommandList, isFinal: Bool = false) async throws(ShellUnwind) -> Int32 {
    for (index, item) in list.items.enumerated() {
      let isLast = isFinal && index == list.items.count - 1
      if item.isBackground {
        try await runInBackground(item)
      } else {
        try await run(item, isFinal: isLast)
      }
    }
    return status
  }

  private func run(_ item: ListItem, isFinal: Bool) async throws(ShellUnwind) {
    if item.rest.isEmpty {
      try await run(item.first, isFinal: isFinal)
      return
    }
    conditionDepth += 1
    do {
      try await run(item.first, isFinal: false)
    } catch {
      conditionDepth -= 1
      throw error
    }
    conditionDepth -= 1
    for (index, next) in item.rest.enumerated() where next.isAnd == (status == 0) {
      if index == item.rest.count - 1 {
        try await run(next.pipeline, isFinal: isFinal)
      } else {
        conditionDepth += 1
        do {
          try await run(next.pipeline, isFinal: false)
        } catch {
          conditionDepth -= 1
          throw error
        }
        conditionDepth -= 1
      }
    }
  }

  private func runInBackground(_ item: ListItem) async throws(ShellUnwind) {
    let child = try fork()
    child.process.ignoredSignals.formUnion([.interrupt, .quit])
    let null = try? process.open("/dev/null", .read)
    if let null { child.process.setDescriptor(0, null) }
    child.process.place = (source, item.first.offset)
    child.start { shell async throws(ShellUnwind) in
      try await shell.run(item, isFinal: true)
      return shell.status
    }
    if jobs.count > 1_000 {
      jobs = jobs.filter { $0.exitStatus == nil || $0.pid == lastBackground }
    }
    jobs.append(child.process)
    lastBackground = child.process.pid
    status = 0
  }

  /// Runs `body` as the program of this shell's process.
  func start(_ body: @escaping (Shell) async throws(ShellUnwind) -> Int32) {
    process.start { _ async throws(ProcessExit) in
      try await self.finishing(body)
    }
  }

  /// Turns what unwinds a shell into the end of its process.
  func finishing(_ body: (Shell) async throws(ShellUnwind) -> Int32) async throws(ProcessExit)
    -> Int32
  {
    do {
      return try await body(self)
    } catch {
      switch error {
      case .break, .continue: return 0
      case .return(let status), .exit(let status), .discard(let status): return status
      case .process(let exit): throw exit
      }
    }
  }

  private func run(_ pipeline: Pipeline, isFinal: Bool) async throws(ShellUnwind) {
    let start = process.simulation.now
    if pipeline.isNegated { conditionDepth += 1 }
    do {
      if pipeline.commands.count == 1 {
        let isFinal = isFinal && !pipeline.isNegated && !pipeline.isTimed
        try await run(pipeline.commands[0], isFinal: isFinal)
      } else {
        try await runPiped(pipeline.commands)
      }
    } catch {
      if pipeline.isNegated { conditionDepth -= 1 }
      throw error
    }
    if pipeline.isTimed {
      let elapsed = process.simulation.now - start
      let milliseconds = elapsed / 1_000_000 % 60_000
      let fraction = String(milliseconds % 1000 + 1000).dropFirst()
      let real = "\(elapsed / 60_000_000_000)m\(milliseconds / 1000).\(fraction)s"
      try await guarded { process async throws(ProcessExit) in
        try await process.printError("\nreal\t\(real)\nuser\t0m0.000s\nsys\t0m0.000s\n")
        return 0
      }
    }
    if pipeline.isNegated {
      conditionDepth -= 1
      status = status == 0 ? 1 : 0
    } else if status != 0, options.exitsOnError, conditionDepth == 0 {
      throw .exit(status)
    }
  }

  private func runPiped(_ commands: [ShellCommand]) async throws(ShellUnwind) {
    var children: [Process] = []
    var input: OpenFile?
    for (index, command) in commands.enumerated() {
      let child = try fork()
      if let input {
        child.process.setDescriptor(0, input)
        input.release()
      }
      input = nil
      if index < commands.count - 1 {
        let pipe = Pipe()
        child.process.setDescriptor(1, pipe.writer)
        // Held until the next command has it.
        pipe.reader.retain()
        input = pipe.reader
      }
      child.process.place = (source, command.offset)
      child.start { shell async throws(ShellUnwind) in
        try await shell.run(command, isFinal: true)
        return shell.status
      }
      children.append(child.process)
    }
    var result: Int32 = 0
    for (index, child) in children.enumerated() {
      let status = try await wait(for: child)
      if options.pipeFails {
        if status != 0 { result = status }
      } else if index == children.count - 1 {
        result = status
      }
    }
    status = result
  }

  func wait(for child: Process) async throws(ShellUnwind) -> Int32 {
    do {
      return try await process.wait(for: child)
    } catch {
      throw .process(error)
    }
  }

  /// Runs part of a command in the shell's own process.
  @discardableResult
  func guarded(_ body: (Process) async throws(ProcessExit) -> Int32) async throws(ShellUnwind)
    -> Int32
  {
    do {
      return try await body(process)
    } catch {
      switch error {
      case .status(let status): return status
      case .failed(let errno):
        try await complain("\(process.name): write error: \(errno)")
        return 1
      case .killed, .refused: throw .process(error)
      }
    }
  }

  // MARK: Commands

  func run(_ command: ShellCommand, isFinal: Bool) async throws(ShellUnwind) {
    do {
      try await process.step()
    } catch {
      throw .process(error)
    }
    process.place = (source, command.offset)
    if case .simple(let assignments, let words) = command.kind {
      try await runSimple(command, assignments, words, isFinal: isFinal)
      return
    }
    if case .subshell(let list) = command.kind {
      if isFinal {
        try await redirected(command.redirections) { shell async throws(ShellUnwind) in
          try await shell.run(list, isFinal: true)
        }
        return
      }
      let child = try fork()
      child.start { shell async throws(ShellUnwind) in
        try await shell.redirected(command.redirections) { shell async throws(ShellUnwind) in
          try await shell.run(list, isFinal: true)
        }
        return shell.status
      }
      status = try await wait(for: child.process)
      return
    }
    if command.redirections.isEmpty {
      try await runCompound(command)
    } else {
      try await redirected(command.redirections) { shell async throws(ShellUnwind) in
        try await shell.runCompound(command)
      }
    }
  }

  private func runCompound(_ command: ShellCommand) async throws(ShellUnwind) {
    switch command.kind {
    case .simple, .subshell: return
    case .group(let list): try await run(list)
    case .condition(let branches, let otherwise):
      for branch in branches where try await holds(branch.test) {
        try await run(branch.body)
        return
      }
      status = 0
      if let otherwise { try await run(otherwise) }
    case .forEach(let variable, let words, let body):
      let values = words == nil ? positional : try await expand(words ?? [])
      var result: Int32 = 0
      loopDepth += 1
      defer { loopDepth -= 1 }
      for value in values {
        process.place = (source, command.offset)
        try await set(variable, value)
        if try await !runLoopBody(body, &result) { break }
      }
      status = result
    case .forArithmetic(let start, let test, let step, let body):
      _ = try await arithmetic(start)
      var result: Int32 = 0
      loopDepth += 1
      defer { loopDepth -= 1 }
      while true {
        try await tick()
        let isEndless = test.parts.isEmpty
        if !isEndless {
          let value = try await arithmetic(test)
          if value == 0 { break }
        }
        if try await !runLoopBody(body, &result) { break }
        _ = try await arithmetic(step)
      }
      status = result
    case .loop(let test, let isUntil, let body):
      var result: Int32 = 0
      loopDepth += 1
      defer { loopDepth -= 1 }
      while true {
        try await tick()
        var goesOn = false
        do {
          goesOn = try await holds(test) != isUntil
        } catch .break(let count) {
          if count > 1 { throw .break(count - 1) }
        } catch .continue(let count) {
          if count > 1 { throw .continue(count - 1) }
          continue
        }
        if !goesOn { break }
        if try await !runLoopBody(body, &result) { break }
      }
      status = result
    case .choice(let subject, let cases):
      let text = Array(try await expandToString(subject).utf8)[...]
      status = 0
      for one in cases {
        for pattern in one.patterns where try await self.pattern(pattern).matches(text) {
          try await run(one.body)
          return
        }
      }
    case .function(let name, let body):
      functions[name] = body
      status = 0
    case .conditional(let expression):
      status = try await evaluate(expression) ? 0 : 1
    case .arithmetic(let word):
      status = try await arithmetic(word) != 0 ? 0 : 1
    }
  }

  func tick() async throws(ShellUnwind) {
    do {
      try await process.step()
    } catch {
      throw .process(error)
    }
  }

  private func holds(_ test: CommandList) async throws(ShellUnwind) -> Bool {
    conditionDepth += 1
    defer { conditionDepth -= 1 }
    return try await run(test) == 0
  }

  /// Runs the commands of a loop once; false ends the loop.
  private func runLoopBody(_ body: CommandList, _ result: inout Int32) async throws(ShellUnwind)
    -> Bool
  {
    do {
      result = try await run(body)
      return true
    } catch .break(let count) {
      result = 0
      status = 0
      if count > 1 { throw .break(count - 1) }
      return false
    } catch .continue(let count) {
      result = 0
      status = 0
      if count > 1 { throw .continue(count - 1) }
      return true
    }
  }

  // MARK: Simple commands

  private func runSimple(
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

  // MARK: Tracing

  private func trace(_ words: [String]) async throws(ShellUnwind) {
    let mark = String(repeating: "+", count: 1 + (subshellDepth > 0 ? 1 : 0))
    let line = "\(mark) \(words.joined(separator: " "))\n"
    try await guarded { process async throws(ProcessExit) in
      try await process.printError(line)
      return 0
    }
  }

  /// The word as bash would quote it in a trace.
  static func quoted(_ word: String) -> String {
    if word.isEmpty { return "''" }
    let safe = word.utf8.allSatisfy { byte in
      ShellParser.isName(byte) || "-./:=,+@%^".utf8.contains(byte)
    }
    if safe { return word }
    return "'" + word.replacing("'", with: "'\\''") + "'"
  }

  /// The word with backslashes, as `printf %q` writes it.
  static func escaped(_ word: String) -> String {
    if word.isEmpty { return "''" }
    var result = ""
    for scalar in word.unicodeScalars {
      let isSafe =
        scalar.value >= 0x80
        || scalar.value < 0x80
          && (ShellParser.isName(UInt8(scalar.value))
            || "-./:=,+@%^".unicodeScalars.contains(scalar))
      if scalar.value < 0x20 || scalar.value == 0x7F {
        let names: [UInt32: String] = [7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"]
        let digits = String(scalar.value, radix: 8)
        let name =
          names[scalar.value] ?? String(repeating: "0", count: 3 - digits.count) + digits
        return "$'"
          + word.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
          .replacing(String(scalar), with: "\\" + name) + "'"
      }
      if !isSafe { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result
  }

  /// The command `sh -c`, `eval` or `.` runs: shell text that stands, or was made, at a place.
  func runText(_ text: String, isFinal: Bool = false) async throws(ShellUnwind) {
    let offset = process.place?.offset ?? 0
    let list: CommandList
    do {
      list = try ShellParser.parse(ShellText(text, at: offset))
    } catch {
      throw .process(.refused("in the text that is run here: \(error.message)"))
    }
    try await run(list, isFinal: isFinal)
  }
}
