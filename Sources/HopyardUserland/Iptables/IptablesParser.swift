import HopyardSimulator
import HopyardWire

/// Reads the arguments of iptables, or of a line in a dump.
struct IptablesParser {
  let program: IptablesProgram
  let environment: IptablesEnvironment
  /// The table, in a dump.
  let restoredTable: String?
  /// The line number, in a dump, for the model's refusals only.
  private var request = IptablesRequest()
  private var scanner: OptionScanner
  private var extensions: [(reader: RuleExtension, base: Int)] = []
  private var target: RuleExtension?
  private var hasTriedProtocol = false
  private var options: [Character: Bool] = [:]
  private var inverted = false
  private var sourceText: (String, Bool)?
  private var destinationText: (String, Bool)?
  private var hasWait = false
  private var hasWaitInterval = false
  private var protocolMatch: ProtocolMatch?

  init(
    _ arguments: [String],
    _ program: IptablesProgram,
    _ environment: IptablesEnvironment,
    table: String? = nil
  ) {
    self.program = program
    self.environment = environment
    restoredTable = table
    scanner = OptionScanner(arguments, short: Self.short, long: Self.long)
    if let table { request.table = table }
  }

  private static let short: [Character: Int] = {
    var table: [Character: Int] = [:]
    for letter in "ACDRIMNEPopsdjimtcgW" { table[letter] = 1 }
    for letter in "LSFZXw" { table[letter] = 2 }
    for letter in "Vhfbvnx46" { table[letter] = 0 }
    return table
  }()

  private static let long: [LongOption] = [
    ("append", 1, "A"), ("delete", 1, "D"), ("check", 1, "C"), ("insert", 1, "I"),
    ("replace", 1, "R"), ("list", 2, "L"), ("list-rules", 2, "S"), ("flush", 2, "F"),
    ("zero", 2, "Z"), ("new-chain", 1, "N"), ("delete-chain", 2, "X"), ("rename-chain", 1, "E"),
    ("policy", 1, "P"), ("source", 1, "s"), ("destination", 1, "d"), ("src", 1, "s"),
    ("dst", 1, "d"), ("protocol", 1, "p"), ("in-interface", 1, "i"), ("jump", 1, "j"),
    ("table", 1, "t"), ("match", 1, "m"), ("numeric", 0, "n"), ("out-interface", 1, "o"),
    ("verbose", 0, "v"), ("wait", 2, "w"), ("wait-interval", 2, "W"), ("exact", 0, "x"),
    ("fragments", 0, "f"), ("version", 0, "V"), ("help", 2, "h"), ("line-numbers", 0, "0"),
    ("modprobe", 1, "M"), ("set-counters", 1, "c"), ("goto", 1, "g"), ("ipv4", 0, "4"),
    ("ipv6", 0, "6"),
  ].map { (name: String, value: Int, letter: Character) in
    LongOption(name: name, value: value, code: Int(letter.asciiValue ?? 0))
  }

  // MARK: The line

  /// Reads the line; nil if it is for the other family and is to be left out.
  mutating func parse() throws(IptablesFailure) -> IptablesRequest? {
    do throws(IptablesFailure) {
      return try readLine()
    } catch {
      // What was warned of stands before what went wrong.
      environment.warn(request.warnings)
      throw error
    }
  }

  private mutating func readLine() throws(IptablesFailure) -> IptablesRequest? {
    reading: while true {
      switch scanner.next() {
      case .end: break reading
      case .operand(let text):
        if text == "!" {
          if inverted { throw .parameter("multiple consecutive ! not allowed") }
          inverted = true
          continue
        }
        throw .badArgument(text)
      case .missingValue:
        throw .parameter("option \"\(scanner.culprit)\" requires an argument")
      case .unknown:
        if try loadProtocolMatch() { continue }
        throw .parameter("unknown option \"\(scanner.culprit)\"")
      case .option(let code, let value):
        if code >= 1000 {
          try extensionOption(code, value)
        } else {
          let letter = Character(UnicodeScalar(UInt8(truncatingIfNeeded: code)))
          if letter == "V" {
            request.asksVersion = true
            return request
          }
          if letter == "4" || letter == "6", isOtherFamily(letter) {
            if restoredTable != nil { return nil }
            throw .hint
          }
          try option(letter, value ?? "", hasValue: value != nil)
        }
        inverted = false
      }
    }
    try finish()
    return request
  }

  private func isOtherFamily(_ letter: Character) -> Bool {
    (letter == "4") != (program.family == .ipv4)
  }

  private var nextIsValue: Bool {
    guard scanner.index < scanner.arguments.count else { return false }
    let next = scanner.arguments[scanner.index]
    return !next.hasPrefix("-") && !next.hasPrefix("!")
  }

  private mutating func takeNext() -> String? {
    guard nextIsValue else { return nil }
    scanner.index += 1
    return scanner.arguments[scanner.index - 1]
  }

  private mutating func command(
    _ command: IptablesRequest.Command,
    beside others: Set<IptablesRequest.Command> = []
  ) throws(IptablesFailure) {
    if inverted { throw .parameter("unexpected '!' flag") }
    guard let present = request.command else {
      request.command = command
      return
    }
    let isZero = command == .zero || present == .zero
    guard !request.alsoZeroes, isZero, others.contains(present) else {
      throw .parameter("Cannot use -\(command.rawValue) with -\(present.rawValue)")
    }
    request.alsoZeroes = true
    if command != .zero { request.command = command }
  }

  private mutating func set(_ letter: Character, invertible: Bool = false)
    throws(IptablesFailure)
  {
    if options[letter] != nil { throw .parameter("multiple -\(letter) flags not allowed") }
    options[letter] = inverted
    if inverted, !invertible { throw .parameter("cannot have ! before -\(letter)") }
  }

  private func ruleNumber(_ text: String) throws(IptablesFailure) -> Int {
    guard let number = IptablesNumber.parse(text), (1...UInt64(Int32.max)).contains(number) else {
      throw .parameter("Invalid rule number `\(text)'")
    }
    return Int(number)
  }

  private mutating func option(
    _ letter: Character,
    _ value: String,
    hasValue: Bool
  ) throws(IptablesFailure) {
    switch letter {
    case "A", "C":
      try command(letter == "A" ? .append : .check)
      request.chain = value
    case "D":
      try command(.delete)
      request.chain = value
      if let next = takeNext() { request.number = try ruleNumber(next) }
    case "R":
      try command(.replace)
      request.chain = value
      guard let next = takeNext() else { throw .parameter("-R requires a rule number") }
      request.number = try ruleNumber(next)
    case "I":
      try command(.insert)
      request.chain = value
      request.number = 1
      if let next = takeNext() { request.number = try ruleNumber(next) }
    case "L", "S":
      try command(letter == "L" ? .list : .listRules, beside: [.zero])
      if let chain = hasValue ? value : takeNext() { request.chain = chain }
      if let next = takeNext() { request.number = try ruleNumber(next) }
    case "F", "X":
      try command(letter == "F" ? .flush : .deleteChain)
      if let chain = hasValue ? value : takeNext() { request.chain = chain }
    case "Z":
      try command(.zero, beside: [.list, .listRules])
      if let chain = hasValue ? value : takeNext() { request.chain = chain }
      if let next = takeNext() { request.number = try ruleNumber(next) }
    case "N":
      try ChainNameText.check(value, program.family)
      try command(.newChain)
      request.chain = value
    case "E":
      try command(.renameChain)
      request.chain = value
      guard let next = takeNext() else {
        throw .parameter("-E requires old-chain-name and new-chain-name")
      }
      request.argument = next
    case "P":
      try command(.policy)
      request.chain = value
      guard let next = takeNext() else { throw .parameter("-P requires a chain and a policy") }
      request.argument = next
    case "p":
      try set("p", invertible: true)
      let text = attachedValue(value)
      let number = try ProtocolText.parse(text.lowercased(), program.family, original: text)
      let match = ProtocolMatch(number, inverted: inverted)
      if program.family == .ipv6, !inverted, [43, 44, 51, 60].contains(number.rawValue) {
        request.warnings +=
          "Warning: never matched protocol: \(ProtocolText.name(number)). use extension match "
          + "instead.\n"
      }
      if number.rawValue == 0, inverted { throw .parameter("rule would never match protocol") }
      protocolMatch = match
      request.rule.protocol = number.rawValue == 0 ? nil : match
    case "s", "d":
      try set(letter, invertible: true)
      let text = attachedValue(value)
      if letter == "s" { sourceText = (text, inverted) } else { destinationText = (text, inverted) }
    case "j":
      try set("j")
      try readJump(value)
    case "g":
      try set("j")
      request.isGoto = true
      request.jump = try ChainNameText.target(value)
    case "i", "o":
      guard !value.isEmpty else {
        throw .parameter("Empty interface is likely to be undesired")
      }
      try set(letter, invertible: true)
      let match = try InterfaceText.parse(value, inverted: inverted, warnings: &request.warnings)
      // A wildcard of no characters is no restriction, and nf_tables does not keep it.
      let kept =
        match.isPrefix && match.name.isEmpty && !match.inverted && program.variant == .nft
        ? nil : match
      if letter == "i" { request.rule.inInterface = kept } else { request.rule.outInterface = kept }
    case "f":
      guard program.family == .ipv4 else {
        throw .parameter("`-f' is not supported in IPv6, use -m frag instead")
      }
      try set("f", invertible: true)
      request.rule.fragment = !inverted
    case "v":
      if options["v"] == nil { try set("v") }
      request.verbosity += 1
    case "m":
      if inverted { throw .parameter("unexpected ! flag before --match") }
      try load(match: value)
    case "n":
      try set("n")
      request.isNumeric = true
    case "t":
      if inverted { throw .parameter("unexpected ! flag before --table") }
      if restoredTable != nil {
        throw .parameter("The -t option cannot be used in \(program.ownName).\n")
      }
      request.table = value
    case "x":
      try set("x")
      request.isExact = true
    case "0":
      try set("0")
      request.numbersLines = true
    case "c":
      try set("c")
      var bytes = takeNext()
      var packets = value
      if bytes == nil, let comma = value.firstIndex(of: ",") {
        packets = String(value[..<comma])
        bytes = String(value[value.index(after: comma)...])
      }
      guard let bytes else { throw .parameter("-c requires packet and byte counter") }
      guard let packetCount = Self.leadingNumber(packets) else {
        throw .parameter("-c packet counter not numeric")
      }
      guard let byteCount = Self.leadingNumber(bytes) else {
        throw .parameter("-c byte counter not numeric")
      }
      request.counters = RuleCounters(packets: packetCount, bytes: byteCount)
    case "w":
      hasWait = true
      if let text = hasValue ? value : takeNext(), IptablesNumber.parse(text) == nil {
        throw .parameter("wait seconds not numeric")
      }
    case "W":
      hasWaitInterval = true
      if !hasValue { _ = takeNext() }
      request.warnings += "Ignoring deprecated --wait-interval option.\n"
    case "M", "4", "6": break
    case "h": throw .unmodelled("the help of \(program.name)")
    default: throw .parameter("unknown option \"\(scanner.culprit)\"")
    }
  }

  /// Older releases look for a value in the argument before the next, attached or not.
  private func attachedValue(_ value: String) -> String {
    program.release >= .version1811 ? value : scanner.culprit
  }

  private static func leadingNumber(_ text: String) -> UInt64? {
    let digits = text.drop { $0 == " " }.prefix { $0.isASCII && $0.isNumber }
    return UInt64(digits)
  }

  // MARK: Matches and targets

  private mutating func readJump(_ value: String) throws(IptablesFailure) {
    let name = try ChainNameText.target(value)
    request.jump = name
    guard let reader = ExtensionCatalog.target(name, program.family) else { return }
    request.hasTargetExtension = true
    target = reader
    install(reader)
  }

  private mutating func load(match name: String) throws(IptablesFailure) {
    if name.utf8.count >= 29 {
      throw .parameter("Invalid match name \"\(name)\" (28 chars max)")
    }
    guard let reader = ExtensionCatalog.match(name, program.family) else {
      throw .parameter("Couldn't load match `\(name)':No such file or directory\n")
    }
    install(reader)
  }

  /// Makes the options of a reader known; those of the newest reader go first.
  private mutating func install(_ reader: RuleExtension) {
    request.warnings += reader.warnings
    reader.warnings = ""
    let base = 1000 * (extensions.count + 1)
    extensions.append((reader, base))
    let new = reader.options.enumerated().map { index, option in
      LongOption(
        name: option.name,
        value: option.takesValue ? (option.isOptional ? 2 : 1) : 0,
        code: base + index
      )
    }
    scanner.long.insert(contentsOf: new, at: Self.long.count)
  }

  /// Loads the match of the rule's protocol when an option is met that nothing else has.
  private mutating func loadProtocolMatch() throws(IptablesFailure) -> Bool {
    guard !hasTriedProtocol, let match = protocolMatch, match.value.rawValue != 0 else {
      return false
    }
    let name: String
    switch (match.value.rawValue, program.family) {
    case (1, .ipv4): name = "icmp"
    case (58, .ipv6): name = "icmp6"
    default: name = match.value.description
    }
    guard !extensions.contains(where: { $0.reader.name == name }) else { return false }
    guard let reader = ExtensionCatalog.match(name, program.family) else { return false }
    hasTriedProtocol = true
    install(reader)
    scanner.unread()
    return true
  }

  private var context: ExtensionContext {
    ExtensionContext(
      family: program.family,
      variant: program.variant,
      release: program.release,
      protocol: protocolMatch,
      resolve: environment.resolve
    )
  }

  private mutating func extensionOption(_ code: Int, _ value: String?) throws(IptablesFailure) {
    let index = code / 1000 - 1
    guard extensions.indices.contains(index) else { return }
    let reader = extensions[index].reader
    guard reader.options.indices.contains(code % 1000) else { return }
    reader.second = nextIsValue ? scanner.arguments[scanner.index] : nil
    let offered = reader.second != nil
    do throws(IptablesFailure) {
      try reader.accept(
        reader.options[code % 1000],
        value,
        inverted: inverted,
        context
      )
    } catch {
      request.warnings += reader.warnings
      reader.warnings = ""
      throw error
    }
    if offered, reader.second == nil { scanner.index += 1 }
    reader.second = nil
    request.warnings += reader.warnings
    reader.warnings = ""
  }

  // MARK: The end of the line

  private mutating func finish() throws(IptablesFailure) {
    if hasWaitInterval, !hasWait {
      throw .parameter("--wait-interval only makes sense with --wait\n")
    }
    if request.table == "nat",
      request.command == .policy && request.argument == "DROP" || request.jump == "DROP"
    {
      throw .parameter(
        "\nThe \"nat\" table is not intended for filtering, the use of DROP is therefore "
          + "inhibited.\n\n"
      )
    }
    for (reader, _) in extensions where reader !== target { try reader.finish(context) }
    try target?.finish(context)
    if scanner.index < scanner.arguments.count {
      throw .parameter("unknown arguments found on commandline")
    }
    guard let command = request.command else { throw .parameter("no command specified") }
    if inverted { throw .parameter("nothing appropriate following !") }
    try readAddresses()
    if command == .replace, request.sources.count > 1 || request.destinations.count > 1 {
      throw .parameter("Replacement rule does not specify a unique address")
    }
    try checkOptions(command)
    if let chain = request.chain, chain.utf8.count >= 29 {
      throw .parameter("chain name `\(chain)' too long (must be under 29 chars)")
    }
    if command.editsRules {
      if request.chain == "PREROUTING" || request.chain == "INPUT", options["o"] != nil {
        throw .parameter("Can't use -o with \(request.chain ?? "")\n")
      }
      if request.chain == "POSTROUTING" || request.chain == "OUTPUT", options["i"] != nil {
        throw .parameter("Can't use -i with \(request.chain ?? "")\n")
      }
      try buildRule()
    }
  }

  private mutating func readAddresses() throws(IptablesFailure) {
    guard request.command?.editsRules == true || sourceText != nil || destinationText != nil
    else { return }
    func read(_ text: (String, Bool)?) throws(IptablesFailure) -> [AddressMatch] {
      guard let (text, inverted) = text else { return [] }
      return try IptablesAddress.parseList(
        text,
        inverted: inverted,
        program.family,
        resolve: environment.resolve
      )
    }
    request.sources = try read(sourceText)
    request.destinations = try read(destinationText)
    if request.sources.count > 1 && request.sources[0].inverted
      || request.destinations.count > 1 && request.destinations[0].inverted
    {
      throw .parameter("! not allowed with multiple source or destination IP addresses")
    }
  }

  private func checkOptions(_ command: IptablesRequest.Command) throws(IptablesFailure) {
    for letter in "nsdpjxio0cf" where options[letter] != nil {
      let isLegal: Bool =
        switch letter {
        case "n", "x", "0": command == .list
        case "c": [.append, .insert, .replace].contains(command)
        default: command.editsRules && !(command == .delete && request.number != nil)
        }
      if !isLegal { throw .parameter("Illegal option `-\(letter)' with this command") }
    }
  }

  /// nf_tables compares ports itself, and the program wants to know where they are.
  private func checkPorts(_ matches: [Match]) throws(IptablesFailure) {
    for match in matches {
      switch match {
      case .tcp(let match) where match != TCPMatch() && protocolMatch?.value != .tcp:
        throw .parameter("TCP match requires '-p tcp'")
      case .udp(let match) where match != UDPMatch() && protocolMatch?.value != .udp:
        throw .parameter("UDP match requires '-p udp'")
      default: break
      }
    }
  }

  private mutating func buildRule() throws(IptablesFailure) {
    var matches: [Match] = []
    do throws(IptablesFailure) {
      for (reader, _) in extensions where reader !== target {
        if let match = try reader.match(context) { matches.append(match) }
      }
      request.rule.target = try target?.target(context)
    } catch {
      guard case .batch(let words) = error else { throw error }
      request.deferredFailure = words.first
    }
    request.rule.matches = matches
    if program.variant == .nft { try checkPorts(matches) }
    if target == nil, let jump = request.jump {
      request.rule.target = request.isGoto ? .goto(jump) : .jump(jump)
    }
    // 0.0.0.0/0 restricts nothing and is not kept.
    func kept(_ list: [AddressMatch]) -> [AddressMatch] {
      list.count == 1 && list[0].mask == 0 && !list[0].inverted ? [] : list
    }
    request.sources = kept(request.sources)
    request.destinations = kept(request.destinations)
  }
}
