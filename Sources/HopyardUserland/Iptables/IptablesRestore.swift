import HopyardSimulator

extension IptablesCommand {
  /// `iptables-restore [-c] [-n] [-t] [-v] [-T TABLE] [FILE]`; gives the exit status.
  func restore(_ arguments: [String], _ input: () -> String) throws(IptablesFailure) -> Int32 {
    var options = RestoreOptions()
    var scanner = OptionScanner(
      arguments,
      short: [
        "b": 0, "c": 0, "v": 0, "V": 0, "t": 0, "h": 0, "n": 0, "w": 2, "W": 2, "M": 1, "T": 1,
        "4": 0, "6": 0,
      ],
      long: [
        LongOption(name: "counters", value: 0, code: 99),
        LongOption(name: "verbose", value: 0, code: 118),
        LongOption(name: "version", value: 0, code: 86),
        LongOption(name: "test", value: 0, code: 116),
        LongOption(name: "help", value: 0, code: 104),
        LongOption(name: "noflush", value: 0, code: 110),
        LongOption(name: "modprobe", value: 1, code: 77),
        LongOption(name: "table", value: 1, code: 84),
        LongOption(name: "wait", value: 2, code: 119),
        LongOption(name: "wait-interval", value: 2, code: 87),
        LongOption(name: "ipv4", value: 0, code: 52), LongOption(name: "ipv6", value: 0, code: 54),
      ]
    )
    var files: [String] = []
    reading: while true {
      switch scanner.next() {
      case .end: break reading
      case .operand(let text): files.append(text)
      case .missingValue, .unknown:
        throw .plain(
          GetoptText.error(program.name, scanner.culprit)
            + "Try `\(program.ownName) -h' for more information.\n"
        )
      case .option(let code, let value):
        switch code {
        case 99: options.takesCounters = true
        case 118: options.isVerbose = true
        case 116: options.isTest = true
        case 110: options.keepsRules = true
        case 84: options.table = value
        case 104: throw .unmodelled("the help of \(program.name)")
        case 86:
          environment.print("\(program.ownName) \(program.version)\n")
          return 0
        case 119:
          // The seconds may be an argument of their own.
          if value == nil, scanner.index < arguments.count,
            IptablesNumber.parse(arguments[scanner.index]) != nil
          {
            scanner.index += 1
          }
        default: break
        }
      }
    }
    files += arguments[min(scanner.index, arguments.count)...]
    if files.count > 1 { throw .plain("Unknown arguments found on commandline\n") }
    let text: String
    if let file = files.first {
      guard let contents = environment.readFile(file) else {
        throw .plain("Can't open \(file): No such file or directory\n")
      }
      text = contents
    } else {
      text = input()
    }
    var restore = DumpReader(command: self, options: options)
    return restore.read(text)
  }
}

/// Options of `iptables-restore`.
struct RestoreOptions {
  var takesCounters = false
  var isVerbose = false
  var isTest = false
  var keepsRules = false
  var table: String?
}

/// Reads a dump line by line and carries out its tables.
struct DumpReader {
  let command: IptablesCommand
  let options: RestoreOptions
  private var table: RuleTable?
  private var isSkipping = false
  private var steps: [(line: Int, step: RulesetTransaction.Step)] = []
  private var line = 0

  init(command: IptablesCommand, options: RestoreOptions) {
    self.command = command
    self.options = options
  }

  private var program: IptablesProgram { command.program }
  private var environment: IptablesEnvironment { command.environment }
  private var isNFT: Bool { program.variant == .nft }

  /// Reads the text; gives the exit status.
  mutating func read(_ text: String) -> Int32 {
    var rest = text.utf8[...]
    while !rest.isEmpty {
      line += 1
      let end = rest.firstIndex(of: 0x0a)
      let content = String(rest[..<(end ?? rest.endIndex)]) ?? ""
      rest = end.map { rest[rest.index(after: $0)...] } ?? rest[rest.endIndex...]
      do throws(IptablesFailure) {
        try read(line: content)
      } catch {
        // The legacy program carries out each line before it reads the next.
        if !isNFT, let table,
          let earlier = RulesetTransaction(
            program: program,
            environment: environment,
            name: table
          ).rehearse(steps)
        {
          if case .kernel = earlier.cause {
            fail(earlier.line, nil)
            return 1
          }
        }
        return report(error)
      }
      if let status { return status }
    }
    if table != nil || isSkipping {
      environment.warn("\(program.ownName): COMMIT expected at line \(line + 1)\n")
      return 1
    }
    return 0
  }

  /// The exit status, once a line has decided it.
  private var status: Int32?

  private mutating func report(_ failure: IptablesFailure) -> Int32 {
    let (status, refusal) = command.report(failure, line: line)
    if let refusal { environment.refusal = "line \(line): \(refusal)" }
    return status
  }

  private mutating func fail(_ line: Int, _ words: String?) {
    environment.warn(
      "\(program.ownName): line \(line) failed" + (words.map { ": " + $0 } ?? "") + "\n"
    )
    status = 1
  }

  private mutating func read(line text: String) throws(IptablesFailure) {
    if text.isEmpty { return }
    if text.hasPrefix("#") {
      if options.isVerbose { environment.print(text + "\n") }
      return
    }
    let isInTable = table != nil || isSkipping
    if text == "COMMIT", isInTable {
      try commit()
      return
    }
    if text.hasPrefix("*"), !isInTable {
      try beginTable(text)
      return
    }
    if isSkipping { return }
    guard let table else {
      fail(line, nil)
      return
    }
    if text.hasPrefix(":") {
      try declare(text, table)
      return
    }
    try readRule(text, table)
  }

  private mutating func beginTable(_ text: String) throws(IptablesFailure) {
    let words = text.dropFirst().split { $0 == " " || $0 == "\t" }
    guard let name = words.first.map(String.init) else {
      throw .parameter("\(program.ownName): line \(line) table name invalid")
    }
    if let chosen = options.table, chosen != name {
      isSkipping = true
      return
    }
    guard let found = RuleTable(name: name) else {
      throw .parameter(
        isNFT
          ? "\(program.ownName): line \(line) table name '\(name)' invalid"
          : "\(program.ownName): unable to initialize table '\(name)'"
      )
    }
    table = found
    steps = []
    if !isNFT { _ = environment.ruleset(.legacy).table(found) }
    if !options.keepsRules { steps.append((line, .clear(isVerbose: options.isVerbose))) }
  }

  private mutating func declare(_ text: String, _ table: RuleTable) throws(IptablesFailure) {
    let words = text.dropFirst().split { $0 == " " || $0 == "\t" }.map(String.init)
    guard let chain = words.first else {
      throw .parameter("\(program.ownName): line \(line) chain name invalid")
    }
    let isBase = table.hooks.contains { $0.chainName == chain }
    if !isBase {
      if chain.utf8.count >= 29 {
        throw .parameter(
          isNFT
            ? "chain name `\(chain)' too long (must be under 29 chars)"
            : "Invalid chain name `\(chain)' (28 chars max)"
        )
      }
      if isNFT {
        try ChainNameText.check(chain, program.family)
      } else if ExtensionCatalog.target(chain, program.family) != nil {
        throw .parameter("error creating chain '\(chain)':File exists")
      }
    }
    guard words.count > 1 else {
      throw .parameter("\(program.ownName): line \(line) policy invalid")
    }
    var counters: RuleCounters?
    if isBase, options.takesCounters, words[1] != "-" {
      let numbers = (words.count > 2 ? words[2] : "").split { "[:]".contains($0) }
        .map { UInt64($0) }
      guard numbers.count == 2, let packets = numbers[0], let bytes = numbers[1] else {
        throw .parameter("invalid policy counters for chain '\(chain)'")
      }
      counters = RuleCounters(packets: packets, bytes: bytes)
    }
    if !isNFT {
      if !isBase {
        if declared.contains(chain) {
          throw .parameter("error creating chain '\(chain)':File exists")
        }
        declared.insert(chain)
      }
      if words[1] != "-", !isBase || !["ACCEPT", "DROP"].contains(words[1]) {
        let reason = isBase ? "Bad policy name" : "Bad built-in chain name"
        throw .other(
          "Can't set policy `\(words[1])' on `\(chain)' line \(line): \(reason)\n"
        )
      }
    }
    steps.append((line, .declare(chain, policy: isBase ? words[1] : "-", counters: counters)))
  }

  /// User's chains that the table has declared.
  private var declared: Set<String> = []

  private mutating func readRule(_ text: String, _ table: RuleTable) throws(IptablesFailure) {
    var rest = text[...]
    var arguments: [String] = []
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else {
        throw .parameter("Bad line \(line): need ]\n")
      }
      let inner = rest[rest.index(after: rest.startIndex)..<end]
      guard let colon = inner.firstIndex(of: ":") else {
        throw .parameter("Bad line \(line): need :\n")
      }
      if options.takesCounters {
        arguments = [
          "--set-counters", String(inner[..<colon]), String(inner[inner.index(after: colon)...]),
        ]
      }
      rest = rest[rest.index(after: end)...]
    }
    guard let words = Self.words(rest) else {
      throw .parameter("unterminated quotation at line \(line)")
    }
    arguments += words
    var parser = IptablesParser(arguments, program, environment, table: table.name)
    guard var request = try parser.parse() else { return }
    if request.asksVersion {
      environment.print("\(program.ownName) \(program.version)\n")
      status = 0
      return
    }
    environment.warn(request.warnings)
    // With -n the real programs stay silent.
    if options.isVerbose, !options.keepsRules { request.verbosity = max(1, request.verbosity) }
    steps.append((line, .request(request)))
  }

  /// The words of a line: quotes hold spaces together, a backslash counts only within them.
  static func words(_ text: Substring) -> [String]? {
    var words: [String] = []
    var word = ""
    var isQuoted = false
    var wasQuoted = false
    var isEscaped = false
    for character in text {
      if isQuoted {
        if isEscaped {
          word.append(character)
          isEscaped = false
        } else if character == "\\" {
          isEscaped = true
        } else if character == "\"" {
          isQuoted = false
        } else {
          word.append(character)
        }
      } else if character == "\"" {
        isQuoted = true
        wasQuoted = true
      } else if character == " " || character == "\t" || character == "\n" {
        if !word.isEmpty || wasQuoted { words.append(word) }
        word = ""
        wasQuoted = false
      } else {
        word.append(character)
      }
    }
    // What an open quote holds is lost.
    if !isQuoted, !word.isEmpty || wasQuoted { words.append(word) }
    return words
  }

  private mutating func commit() throws(IptablesFailure) {
    let name = table
    table = nil
    isSkipping = false
    declared = []
    guard let name else { return }
    if options.isTest { return }
    let transaction = RulesetTransaction(program: program, environment: environment, name: name)
    do {
      try transaction.run(steps)
    } catch {
      switch error.cause {
      case .kernel(let errno):
        if isNFT {
          let text = errno == .badPolicy ? "Bad policy name." : errno.rawValue
          fail(error.line, text)
        } else {
          fail(error.line == 0 || error.cause.isFromCommit ? line : error.line, nil)
        }
      default:
        if !isNFT { line = error.line }
        throw error.cause
      }
    }
  }
}

extension IptablesFailure {
  /// Whether the kernel says so only when it is handed the whole table.
  fileprivate var isFromCommit: Bool {
    switch self {
    case .kernel(.invalid), .kernel(.loop): true
    default: false
    }
  }
}
