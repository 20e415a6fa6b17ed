import HopyardSimulator

/// `kill`.
enum KillCommand {
  static let command = Command("kill", isBuiltin: true) {
    process,
    arguments async throws(ProcessExit) in
    try await run(process, arguments, prefix: "kill: ")
  }

  static func run(_ process: Process, _ arguments: [String], prefix: String)
    async throws(ProcessExit) -> Int32
  {
    var signal = Signal.terminate
    var operands = arguments[...]
    if let first = operands.first {
      if first == "-l" || first == "-L" {
        let names = Signal.names.map(\.name).joined(separator: " ")
        if operands.count > 1, let number = Int32(operands[operands.startIndex + 1]) {
          let base = number > 128 ? number - 128 : number
          try await process.print(Signal(rawValue: base).description + "\n")
        } else {
          try await process.print(names + "\n")
        }
        return 0
      }
      var name: String?
      if first == "-s" || first == "-n" {
        guard operands.count > 1 else {
          try await process.printError("\(prefix)\(first): option requires an argument\n")
          return 2
        }
        name = operands[operands.startIndex + 1]
        operands = operands.dropFirst(2)
      } else if first == "--" {
        operands = operands.dropFirst()
      } else if first.hasPrefix("-"), first.count > 1 {
        name = String(first.dropFirst())
        operands = operands.dropFirst()
      }
      if let name {
        guard let found = Signal(name) else {
          try await process.printError("\(prefix)\(name): invalid signal specification\n")
          return 1
        }
        signal = found
      }
    }
    if signal.isStop { throw .refused("stopping a process (SIG\(signal)) is not modelled") }
    if operands.first == "--" { operands = operands.dropFirst() }
    if operands.isEmpty {
      try await process.printError(
        "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]\n"
      )
      return 2
    }
    var status: Int32 = 0
    for operand in operands {
      guard let pid = Int32(operand) else {
        try await process.printError(
          "\(prefix)\(operand): arguments must be process or job IDs\n"
        )
        status = 1
        continue
      }
      guard pid > 0 else { throw .refused("signals to process groups are not modelled") }
      guard let target = process.userland.process(pid) else {
        try await process.printError("\(prefix)(\(pid)) - No such process\n")
        status = 1
        continue
      }
      target.send(signal)
    }
    // A signal to itself is taken at once.
    try await process.step()
    return status
  }
}

/// `sleep`.
enum SleepCommand {
  static let command = Command("sleep") { process, arguments async throws(ProcessExit) in
    if arguments.isEmpty {
      try await process.printError(
        "sleep: missing operand\nTry 'sleep --help' for more information.\n"
      )
      return 1
    }
    var total: Int64 = 0
    for argument in arguments {
      guard let time = TimeText.nanoseconds(argument) else {
        if argument.hasPrefix("-"), argument.count > 1 {
          let letter = argument.dropFirst().prefix(1)
          try await process.printError("sleep: invalid option -- '\(letter)'\n")
        } else {
          try await process.printError("sleep: invalid time interval '\(argument)'\n")
        }
        try await process.printError("Try 'sleep --help' for more information.\n")
        return 1
      }
      total = min(total &+ time, .max / 4)
    }
    try await process.sleep(nanoseconds: total)
    return 0
  }
}

/// `timeout`: another command, ended when it takes too long.
enum TimeoutCommand {
  static let options = OptionSpecification(
    "+k:s:v",
    long: ["kill-after:=k", "signal:=s", "verbose=v", "preserve-status", "foreground"]
  )

  static let command = Command(
    "timeout",
    check: { check in
      check.checkOptions(options)
      guard case .success(let parsed) = options.parse(check.texts) else { return }
      if parsed.operandIndices.count > 1 { check.checkCommand(from: parsed.operandIndices[1]) }
    },
    run: { process, arguments async throws(ProcessExit) in try await run(process, arguments) }
  )

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    let help = "Try 'timeout --help' for more information.\n"
    let parsed = try await process.options(options, arguments, usage: help, status: 125)
    guard parsed.operands.count > 1 else {
      try await process.printError(help)
      return 125
    }
    func time(_ text: String) async throws(ProcessExit) -> Int64 {
      if let time = TimeText.nanoseconds(text) { return time }
      try await process.printError("timeout: invalid time interval '\(text)'\n\(help)")
      throw .status(125)
    }
    let limit = try await time(parsed.operands[0])
    var signal = Signal.terminate
    if let name = parsed["s"] {
      guard let found = Signal(name) else {
        try await process.printError("timeout: \(name): invalid signal\n\(help)")
        return 125
      }
      signal = found
    }
    var killAfter: Int64?
    if let text = parsed["k"] { killAfter = try await time(text) }
    let arguments = Array(parsed.operands.dropFirst())
    let child = try process.spawn(arguments)
    // What it is sent is passed on to the command.
    process.handledSignals = [.terminate, .interrupt, .hangup, .quit]
    var deadline: Instant? = limit == 0 ? nil : process.simulation.now + limit
    var isLate = false
    while child.exitStatus == nil {
      switch try await process.wait(on: [child.exited], until: deadline) {
      case .woken: continue
      case .interrupted(let received):
        child.send(received)
        isLate = true
        if let after = killAfter { deadline = process.simulation.now + after }
      case .timedOut:
        if parsed.has("v") {
          try await process.printError(
            "timeout: sending signal \(isLate ? "KILL" : signal.description) to command '\(arguments[0])'\n"
          )
        }
        if isLate {
          child.send(.kill)
          deadline = nil
        } else {
          isLate = true
          child.send(signal)
          if signal == .kill {
            _ = try await process.wait(for: child)
            return 137
          }
          deadline = killAfter.map { process.simulation.now + $0 }
        }
      }
    }
    let status = child.exitStatus ?? 0
    if isLate, !parsed.has("preserve-status") { return status == 137 ? 137 : 124 }
    return status
  }
}

/// `which`, and where commands are.
enum WhichCommand {
  static func path(of name: String) -> String {
    let system: Set<String> = [
      "ip", "bridge", "brctl", "sysctl", "iptables", "iptables-save", "iptables-restore", "arping",
      "conntrack", "ethtool", "ifconfig", "route", "arp", "tc", "ipset", "ipvsadm", "traceroute",
      "nft", "nstat",
    ]
    return (system.contains(name) ? "/usr/sbin/" : "/usr/bin/") + name
  }

  static let command = Command("which") { process, arguments async throws(ProcessExit) in
    var status: Int32 = arguments.isEmpty ? 1 : 0
    for name in arguments where !name.hasPrefix("-") {
      if process.userland.commands[name] != nil {
        try await process.print(path(of: name) + "\n")
      } else {
        status = 1
      }
    }
    return status
  }
}

/// Commands that run another one: `sudo`, `env`, `nohup`, `nice`, `xargs`, `sh`, `bash`.
enum WrapperCommands {
  static let all: [Command] = [
    sudo, env, nohup, nice, xargs, shell("sh"), shell("bash"), shell("dash"),
  ]

  private static let sudoOptions = OptionSpecification("+EHnS", refused: "u:g:ilsbkKevV")
  private static let sudo = Command(
    "sudo",
    check: { checkRest($0, sudoOptions) },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(sudoOptions, arguments)
      if parsed.operands.isEmpty {
        try await process.printError("usage: sudo command\n")
        return 1
      }
      return try await process.execute(parsed.operands)
    }
  )

  private static func checkRest(_ check: CommandCheck, _ options: OptionSpecification) {
    check.checkOptions(options)
    guard case .success(let parsed) = options.parse(check.texts),
      let first = parsed.operandIndices.first
    else { return }
    check.checkCommand(from: first)
  }

  private static let envOptions = OptionSpecification(
    "+iu:",
    long: ["ignore-environment=i", "unset:=u"],
    refused: "0C:S:v"
  )
  private static let env = Command(
    "env",
    check: { check in
      check.checkOptions(envOptions)
      guard case .success(let parsed) = envOptions.parse(check.texts) else { return }
      for (index, operand) in zip(parsed.operandIndices, parsed.operands)
      where !operand.contains("=") {
        check.checkCommand(from: index)
        return
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(envOptions, arguments, status: 125)
      if parsed.has("i") { process.environment = [:] }
      for name in parsed.all("u") { process.environment[name] = nil }
      var operands = parsed.operands[...]
      while let first = operands.first, let mark = first.firstIndex(of: "=") {
        process.environment[String(first[..<mark])] = String(first[first.index(after: mark)...])
        operands = operands.dropFirst()
      }
      if operands.isEmpty {
        let lines = process.environment.keys.sorted().map {
          "\($0)=\(process.environment[$0] ?? "")\n"
        }
        try await process.print(lines.joined())
        return 0
      }
      return try await process.execute(Array(operands))
    }
  )

  private static let nohup = Command(
    "nohup",
    check: { $0.checkCommand(from: 0) },
    run: { process, arguments async throws(ProcessExit) in
      process.ignoredSignals.insert(.hangup)
      return try await process.execute(arguments)
    }
  )

  private static let niceOptions = OptionSpecification("+n:", long: ["adjustment:=n"])
  private static let nice = Command(
    "nice",
    check: { checkRest($0, niceOptions) },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(niceOptions, arguments, status: 125)
      return try await process.execute(parsed.operands)
    }
  )

  private static let xargsOptions = OptionSpecification(
    "+n:I:0rtd:L:",
    long: ["max-args:=n", "no-run-if-empty=r", "null=0"],
    refused: "P:a:E:s:px"
  )
  private static let xargs = Command(
    "xargs",
    check: { checkRest($0, xargsOptions) },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(xargsOptions, arguments)
      let command = parsed.operands.isEmpty ? ["echo"] : parsed.operands
      let input = try await process.readAll()
      var items: [String] = []
      if parsed.has("0") || parsed["d"] != nil {
        let delimiter = parsed.has("0") ? 0 : parsed["d"]?.utf8.first ?? 0x0A
        var fields = input.split(separator: delimiter, omittingEmptySubsequences: false)
        if fields.last?.isEmpty == true { fields.removeLast() }
        items = fields.map { String(decoding: $0, as: UTF8.self) }
      } else if parsed["I"] != nil || parsed["L"] != nil {
        items = input.split(separator: 0x0A).map { line in
          String(decoding: line.drop { $0 == 0x20 || $0 == 0x09 }, as: UTF8.self)
        }
      } else {
        items = try words(input)
      }
      var status: Int32 = 0
      func start(_ arguments: [String]) async throws(ProcessExit) {
        if parsed.has("t") { try await process.printError(arguments.joined(separator: " ") + "\n") }
        let null = try? process.open("/dev/null", .read)
        let child = try process.spawn(arguments) { $0.setDescriptor(0, null) }
        if try await process.wait(for: child) != 0 { status = 123 }
      }
      if let mark = parsed["I"], !mark.isEmpty {
        for item in items { try await start(command.map { $0.replacing(mark, with: item) }) }
        return status
      }
      if items.isEmpty {
        if !parsed.has("r") { try await start(command) }
        return status
      }
      let size = max(1, (parsed["n"] ?? parsed["L"]).flatMap { Int($0) } ?? 5_000)
      var index = 0
      while index < items.count {
        let end = min(items.count, index + size)
        if parsed["L"] != nil {
          let split = items[index..<end].flatMap { $0.split(separator: " ").map(String.init) }
          try await start(command + split)
        } else {
          try await start(command + items[index..<end])
        }
        index = end
      }
      return status
    }
  )

  /// Words as `xargs` reads them, with their quotes and backslashes.
  private static func words(_ bytes: [UInt8]) throws(ProcessExit) -> [String] {
    var words: [String] = []
    var word: [UInt8] = []
    var isOpen = false
    var quote: UInt8 = 0
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if quote != 0 {
        if byte == quote { quote = 0 } else { word.append(byte) }
      } else if byte == 0x27 || byte == 0x22 {
        quote = byte
        isOpen = true
      } else if byte == 0x5C, index + 1 < bytes.count {
        index += 1
        word.append(bytes[index])
        isOpen = true
      } else if byte == 0x20 || byte == 0x09 || byte == 0x0A {
        if isOpen { words.append(String(decoding: word, as: UTF8.self)) }
        word = []
        isOpen = false
      } else {
        word.append(byte)
        isOpen = true
      }
      index += 1
    }
    if isOpen { words.append(String(decoding: word, as: UTF8.self)) }
    return words
  }

  private static let shellOptions = OptionSpecification("+ceux", refused: "ilsrno:O:vfDp")

  private static func shell(_ name: String) -> Command {
    Command(
      name,
      check: { check in
        check.checkOptions(shellOptions)
        guard case .success(let parsed) = shellOptions.parse(check.texts), parsed.has("c"),
          let first = parsed.operandIndices.first
        else { return }
        check.checkScript(first)
      },
      run: { process, arguments async throws(ProcessExit) in
        try await runShell(name, process, arguments)
      }
    )
  }

  private static func runShell(_ name: String, _ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let parsed = try await process.options(shellOptions, arguments, status: 2)
    guard let place = process.place else { throw .refused("a shell without a place") }
    let shell = Shell(
      process: process,
      source: place.source,
      flavour: name == "bash" ? .bash : .dash
    )
    shell.name = parsed.operands.dropFirst().first ?? name
    shell.messagePrefix = name == "bash" ? "bash: line 1: " : "\(name): 1: "
    shell.options.exitsOnError = parsed.has("e")
    shell.options.refusesUnset = parsed.has("u")
    shell.options.isTracing = parsed.has("x")
    let text: String
    if parsed.has("c") {
      guard let first = parsed.operands.first else {
        try await process.printError("\(name): -c: option requires an argument\n")
        return 2
      }
      text = first
      shell.positional = Array(parsed.operands.dropFirst(2))
    } else if let first = parsed.operands.first {
      do {
        text = String(decoding: try process.contents(of: first), as: UTF8.self)
      } catch {
        let reason =
          name == "bash"
          ? "bash: \(first): \(error)" : "\(name): 0: cannot open \(first): No such file"
        try await process.printError(reason + "\n")
        return name == "bash" ? 127 : 2
      }
      shell.positional = Array(parsed.operands.dropFirst())
    } else {
      text = String(decoding: try await process.readAll(), as: UTF8.self)
    }
    return try await shell.finishing { shell async throws(ShellUnwind) in
      try await shell.runText(text, isFinal: true)
      return shell.status
    }
  }
}
