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
    let pipeline = item.first
    if item.rest.isEmpty, pipeline.commands.count > 1, !pipeline.isNegated, !pipeline.isTimed {
      // Each command is a process of this shell, and `$!` the last of them.
      let children = try startPiped(pipeline.commands, isBackground: true)
      jobs.append(contentsOf: children)
      lastBackground = children.last?.pid
      status = 0
      return
    }
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

  /// Starts the commands of a pipeline as processes of their own.
  private func startPiped(_ commands: [ShellCommand], isBackground: Bool) throws(ShellUnwind)
    -> [Process]
  {
    var children: [Process] = []
    var input: OpenFile?
    for (index, command) in commands.enumerated() {
      let child = try fork()
      if isBackground {
        child.process.ignoredSignals.formUnion([.interrupt, .quit])
        if index == 0, let null = try? process.open("/dev/null", .read) {
          child.process.setDescriptor(0, null)
        }
      }
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
    return children
  }

  private func runPiped(_ commands: [ShellCommand]) async throws(ShellUnwind) {
    let children = try startPiped(commands, isBackground: false)
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
