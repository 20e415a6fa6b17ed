/// Commands of a line or two.
enum SmallCommands {
  static let all: [Command] = [
    Command("true", isBuiltin: true) { _, _ async throws(ProcessExit) in 0 },
    Command("false", isBuiltin: true) { _, _ async throws(ProcessExit) in 1 },
    Command(":", isBuiltin: true) { _, _ async throws(ProcessExit) in 0 },
    Command("pwd", isBuiltin: true) { process, _ async throws(ProcessExit) in
      try await process.print(process.directory + "\n")
      return 0
    },
    Command("basename", run: basename), Command("dirname", run: dirname),
    Command("id", options: OptionSpecification("ugn", refused: "Grz"), run: id),
    Command("whoami") { process, _ async throws(ProcessExit) in
      try await process.print(process.uid == 0 ? "root\n" : "nobody\n")
      return 0
    },
    Command("hostname", options: OptionSpecification("sf", refused: "IiAdyF:b"), run: hostname),
    Command("uname", options: OptionSpecification("asnrvmpio"), run: uname),
    Command("yes") { process, arguments async throws(ProcessExit) in
      let line = (arguments.isEmpty ? "y" : arguments.joined(separator: " ")) + "\n"
      let block = String(repeating: line, count: max(1, 4_096 / line.utf8.count))
      while true { try await process.print(block) }
    },
    Command("printenv", isBuiltin: false) { process, arguments async throws(ProcessExit) in
      if let name = arguments.first {
        guard let value = process.environment[name] else { return 1 }
        try await process.print(value + "\n")
        return 0
      }
      let names = process.environment.keys.sorted()
      try await process.print(
        names.map { "\($0)=\(process.environment[$0] ?? "")\n" }.joined()
      )
      return 0
    },
    Command("sync") { _, _ async throws(ProcessExit) in 0 },
    refused("date", "virtual time has no date"),
  ]

  private static func refused(_ name: String, _ reason: String) -> Command {
    Command(
      name,
      check: { $0.report(nil, "`\(name)' is not modelled: \(reason)") },
      run: { _, _ async throws(ProcessExit) in
        throw .refused("`\(name)' is not modelled: \(reason)")
      }
    )
  }

  @Sendable private static func basename(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    guard let first = arguments.first else {
      try await process.printError(
        "basename: missing operand\nTry 'basename --help' for more information.\n"
      )
      return 1
    }
    var name = first.split(separator: "/").last.map(String.init) ?? (first.isEmpty ? "" : "/")
    if arguments.count > 1, name != arguments[1], name.hasSuffix(arguments[1]) {
      name.removeLast(arguments[1].count)
    }
    try await process.print(name + "\n")
    return 0
  }

  @Sendable private static func dirname(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    for argument in arguments {
      let parts = argument.split(separator: "/")
      let isAbsolute = argument.hasPrefix("/")
      let directory = parts.dropLast().joined(separator: "/")
      let text = (isAbsolute ? "/" : "") + directory
      try await process.print((text.isEmpty ? "." : text) + "\n")
    }
    if arguments.isEmpty {
      try await process.printError(
        "dirname: missing operand\nTry 'dirname --help' for more information.\n"
      )
      return 1
    }
    return 0
  }

  @Sendable private static func id(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(OptionSpecification("ugn", refused: "Grz"), arguments)
    let name = process.uid == 0 ? "root" : "nobody"
    if options.has("u") || options.has("g") {
      try await process.print(options.has("n") ? "\(name)\n" : "\(process.uid)\n")
    } else {
      let uid = process.uid
      try await process.print("uid=\(uid)(\(name)) gid=\(uid)(\(name)) groups=\(uid)(\(name))\n")
    }
    return 0
  }

  @Sendable private static func hostname(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(
      OptionSpecification("sf", refused: "IiAdyF:b"),
      arguments
    )
    if let name = options.operands.first {
      process.hostname = name
    } else {
      try await process.print(process.hostname + "\n")
    }
    return 0
  }

  @Sendable private static func uname(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(OptionSpecification("asnrvmpio"), arguments)
    let fields = [
      ("s", "Linux"), ("n", process.hostname), ("r", "6.18.0"), ("v", "#1 SMP"),
      ("m", "x86_64"), ("o", "GNU/Linux"),
    ]
    let chosen = fields.filter { key, _ in
      options.has("a") || options.has(key) || options.list.isEmpty && key == "s"
    }
    try await process.print(chosen.map(\.1).joined(separator: " ") + "\n")
    return 0
  }
}
