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

  private static func declare(
    _ shell: Shell,
    _ arguments: [String],
    _ mark: (Shell, String) -> Void
  ) async throws(ShellUnwind) -> Int32 {
    var status: Int32 = 0
    for argument in arguments where !argument.hasPrefix("-") {
      let name = String(argument.prefix { $0 != "=" })
      guard let first = name.utf8.first, ShellParser.isNameStart(first),
        name.utf8.allSatisfy(ShellParser.isName)
      else {
        try await shell.complain(
          "\(shell.process.name): `\(argument)': not a valid identifier"
        )
        status = 1
        continue
      }
      if argument.count > name.count {
        try await shell.set(name, String(argument.dropFirst(name.count + 1)))
      }
      if arguments.first == "-n" {
        shell.variables[name]?.isExported = false
        shell.process.environment[name] = nil
      } else {
        mark(shell, name)
      }
    }
    return status
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

  // MARK: set

  private static let letters: Set<Character> = ["e", "u", "x", "f"]
  private static let longNames: Set<String> = [
    "errexit", "nounset", "xtrace", "pipefail", "noglob",
  ]

  private static func checkSet(_ check: CommandCheck) {
    var index = 0
    let texts = check.texts
    while index < texts.count {
      guard let text = texts[index], text.hasPrefix("-") || text.hasPrefix("+"), text != "--",
        text.count > 1
      else { return }
      for letter in text.dropFirst() {
        if letter == "o" {
          index += 1
          guard index < texts.count else {
            check.report(index - 1, "`set -o' without a name is not modelled")
            return
          }
          if let name = texts[index], !longNames.contains(name) {
            check.report(index, "`set -o \(name)' is not modelled")
          }
        } else if !letters.contains(letter) {
          check.report(index, "`set \(text.prefix(1))\(letter)' is not modelled")
        }
      }
      index += 1
    }
  }

  private static func set(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32
  {
    func change(_ name: String, _ isOn: Bool) throws(ShellUnwind) {
      switch name {
      case "e", "errexit": shell.options.exitsOnError = isOn
      case "u", "nounset": shell.options.refusesUnset = isOn
      case "x", "xtrace": shell.options.isTracing = isOn
      case "f", "noglob": shell.options.noGlobbing = isOn
      case "pipefail": shell.options.pipeFails = isOn
      default: throw .process(.refused("`set -o \(name)' is not modelled"))
      }
    }
    var index = 0
    while index < arguments.count {
      let text = arguments[index]
      if text == "--" {
        shell.positional = Array(arguments[(index + 1)...])
        return 0
      }
      guard text.hasPrefix("-") || text.hasPrefix("+"), text.count > 1 else {
        shell.positional = Array(arguments[index...])
        return 0
      }
      for letter in text.dropFirst() {
        if letter == "o" {
          index += 1
          guard index < arguments.count else {
            throw .process(.refused("`set -o' without a name is not modelled"))
          }
          try change(arguments[index], text.hasPrefix("-"))
        } else {
          try change(String(letter), text.hasPrefix("-"))
        }
      }
      index += 1
    }
    return 0
  }

  // MARK: Processes

  private static func wait(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32
  {
    if arguments.isEmpty {
      let jobs = shell.jobs
      shell.jobs = []
      for job in jobs { _ = try await shell.wait(for: job) }
      return 0
    }
    var status: Int32 = 0
    for argument in arguments {
      if argument.hasPrefix("-") {
        throw .process(.refused("`wait \(argument)' is not modelled"))
      }
      guard let job = job(shell, argument) else {
        if Int32(argument) != nil {
          try await shell.complain("wait: pid \(argument) is not a child of this shell")
        } else {
          try await shell.complain("wait: `\(argument)': not a pid or valid job spec")
        }
        status = 127
        continue
      }
      status = try await shell.wait(for: job)
    }
    return status
  }

  private static func job(_ shell: Shell, _ name: String) -> Process? {
    if name == "%%" || name == "%+" || name == "%" { return shell.jobs.last }
    if name == "%-" { return shell.jobs.dropLast().last }
    if name.hasPrefix("%") {
      guard let number = Int(name.dropFirst()), number >= 1, number <= shell.jobs.count else {
        return nil
      }
      return shell.jobs[number - 1]
    }
    guard let pid = Int32(name) else { return nil }
    return shell.jobs.last { $0.pid == pid }
  }

  private static func kill(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32
  {
    if let first = arguments.first,
      first.hasPrefix("%") || arguments.contains(where: { $0.hasPrefix("%") })
    {
      var resolved: [String] = []
      for argument in arguments {
        guard argument.hasPrefix("%") else {
          resolved.append(argument)
          continue
        }
        guard let job = job(shell, argument) else {
          try await shell.complain("kill: \(argument): no such job")
          return 1
        }
        resolved.append(String(job.pid))
      }
      return try await kill(shell, resolved)
    }
    let prefix = shell.message("kill: ").dropLast()
    return try await shell.guarded { process async throws(ProcessExit) in
      try await KillCommand.run(process, arguments, prefix: String(prefix))
    }
  }

  // MARK: read

  private static let readOptions = OptionSpecification("rsp:t:n:d:", refused: "a:eu:i:N:")

  private static func read(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32
  {
    let parsed: ParsedOptions
    switch readOptions.parse(arguments) {
    case .success(let options): parsed = options
    case .failure(.refused(_, let message)): throw .process(.refused("read: \(message)"))
    case .failure(.usage(let message)):
      try await shell.complain("read: \(message)")
      return 2
    }
    let process = shell.process
    var deadline: Instant?
    if let text = parsed["t"] {
      guard let time = TimeText.nanoseconds(text) else {
        try await shell.complain("read: \(text): invalid timeout specification")
        return 1
      }
      deadline = process.simulation.now + time
    }
    let delimiter = parsed["d"].map { $0.utf8.first ?? 0 } ?? 0x0A
    let limit = parsed["n"].flatMap { Int($0) } ?? .max
    var line: [UInt8] = []
    var isQuoted: [Bool] = []
    var status: Int32 = 0
    do {
      var isEscaped = false
      while line.count < limit {
        let input = try await nextByte(process, until: deadline)
        guard case .byte(let byte) = input else {
          if case .late = input { status = 142 } else { status = 1 }
          break
        }
        if isEscaped {
          isEscaped = false
          if byte == 0x0A { continue }
          line.append(byte)
          isQuoted.append(true)
          continue
        }
        if byte == 0x5C, !parsed.has("r") {
          isEscaped = true
          continue
        }
        if byte == delimiter { break }
        if byte == 0 { continue }
        line.append(byte)
        isQuoted.append(false)
        if line.count > Shell.lengthLimit {
          throw ProcessExit.refused("a line of more than 16 MiB is not modelled")
        }
      }
    } catch let error as ProcessExit {
      if case .failed(let errno) = error {
        try await shell.complain("read: read error: 0: \(errno)")
        return 1
      }
      throw .process(error)
    } catch {
      return 1
    }
    let names = parsed.operands.isEmpty ? ["REPLY"] : parsed.operands
    let values =
      parsed.operands.isEmpty
      ? [String(decoding: line, as: UTF8.self)]
      : fields(line, isQuoted, names.count, shell.value(of: "IFS") ?? " \t\n")
    for (index, name) in names.enumerated() {
      try await shell.set(name, index < values.count ? values[index] : "")
    }
    return status
  }

  private enum Input {
    case byte(UInt8)
    case end
    case late
  }

  private static func nextByte(_ process: Process, until deadline: Instant?)
    async throws(ProcessExit) -> Input
  {
    while true {
      guard let file = process.descriptor(0) else { throw .failed(.badDescriptor) }
      let bytes: [UInt8]?
      do {
        bytes = try file.receive(1)
      } catch {
        throw .failed(error)
      }
      if let bytes { return bytes.first.map { .byte($0) } ?? .end }
      let result = try await process.wait(on: file.readable.map { [$0] } ?? [], until: deadline)
      if case .timedOut = result { return .late }
    }
  }

  /// The fields of a line; the last of them takes what is left.
  private static func fields(
    _ line: [UInt8],
    _ isQuoted: [Bool],
    _ count: Int,
    _ separators: String
  )
    -> [String]
  {
    let separators = Array(separators.utf8)
    func isSeparator(_ index: Int) -> Bool {
      !isQuoted[index] && separators.contains(line[index])
    }
    func isSpace(_ index: Int) -> Bool {
      isSeparator(index) && (line[index] == 0x20 || line[index] == 0x09 || line[index] == 0x0A)
    }
    var values: [String] = []
    var index = 0
    while index < line.count, isSpace(index) { index += 1 }
    while index < line.count, values.count < count - 1 {
      let start = index
      while index < line.count, !isSeparator(index) { index += 1 }
      values.append(String(decoding: line[start..<index], as: UTF8.self))
      while index < line.count, isSpace(index) { index += 1 }
      if index < line.count, isSeparator(index) {
        index += 1
        while index < line.count, isSpace(index) { index += 1 }
      }
    }
    if values.count < count, index < line.count {
      var end = line.count
      while end > index, isSpace(end - 1) { end -= 1 }
      // One separator at the very end belongs to no field.
      if end > index, isSeparator(end - 1), !(index..<(end - 1)).contains(where: isSeparator) {
        end -= 1
      }
      values.append(String(decoding: line[index..<end], as: UTF8.self))
    }
    return values
  }

  // MARK: Finding commands

  private static func command(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind)
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

  private static func type(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32
  {
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
