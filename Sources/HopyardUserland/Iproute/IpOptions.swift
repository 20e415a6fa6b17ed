/// The options that stand before ip(8)'s object.
struct IpOptions: Sendable {
  /// A family of protocols.
  enum Family: Sendable, Equatable {
    case unspecified
    case inet
    case inet6
    case packet
    case bridge
    case mpls
  }

  /// The family (`-4`, `-6`, `-f`).
  var family = Family.unspecified
  /// How many `-s` were given.
  var statistics = 0
  /// How many `-d` were given.
  var details = 0
  /// `-br`.
  var isBrief = false
  /// `-o`: a backslash in place of each line end within an entry.
  var isOneLine = false
  /// `-j`.
  var isJSON = false
  /// `-p`.
  var isPretty = false
  /// `-N`: numbers in place of names.
  var isNumeric = false
  /// `-h`.
  var isHuman = false
  /// `-c`: parts of the text in colours.
  var isColoured = false
  /// `-iec`: units of 1024 for humans.
  var isIEC = false
  /// `-all`.
  var isAll = false
  /// `-force`.
  var isForced = false
  /// The file of `-batch`.
  var batch: String?
  /// The namespace of `-n`.
  var namespace: String?

  /// What ends a line within an entry.
  var lineEnd: String { isOneLine ? "\\" : "\n" }

  /// Where reading options ended.
  enum Outcome {
    /// The object's place among the arguments.
    case object(Int)
    /// Text for standard output, and the end.
    case version
    /// The usage text on standard error, and 255.
    case usage
    /// Text for standard error, and an exit status.
    case failure(String, Int32)
    /// An option, with its place, that is not modelled.
    case refused(Int, String)
  }

  /// Whether `prefix` abbreviates `full`, as iproute2's `matches` has it.
  static func matches(_ prefix: String, _ full: String) -> Bool {
    !prefix.isEmpty && full.hasPrefix(prefix)
  }

  /// Reads options from the front; nil stands for an argument that is not known yet.
  mutating func read(_ arguments: [String?]) -> Outcome {
    var index = 0
    while index < arguments.count {
      guard let argument = arguments[index] else { return .object(index) }
      if argument == "--" { return .object(index + 1) }
      guard argument.hasPrefix("-") else { return .object(index) }
      let option = argument.hasPrefix("--") ? String(argument.dropFirst()) : argument
      if let outcome = read(option, arguments, &index) { return outcome }
      index += 1
    }
    return .object(index)
  }

  private mutating func read(
    _ option: String,
    _ arguments: [String?],
    _ index: inout Int
  ) -> Outcome? {
    func isOption(_ name: String) -> Bool { Self.matches(option, name) }
    func value() -> String? {
      index += 1
      return index < arguments.count ? arguments[index] ?? "" : nil
    }
    if isOption("-loops") {
      if value() == nil { return .usage }
    } else if isOption("-family") {
      guard let name = value(), name != "help" else { return .usage }
      switch name {
      case "inet": family = .inet
      case "inet6": family = .inet6
      case "link": family = .packet
      case "bridge": family = .bridge
      case "mpls": family = .mpls
      default:
        return .failure("Error: argument \"\(name)\" is wrong: invalid protocol family\n", 255)
      }
    } else if option == "-4" {
      family = .inet
    } else if option == "-6" {
      family = .inet6
    } else if option == "-0" {
      family = .packet
    } else if option == "-M" {
      family = .mpls
    } else if option == "-B" {
      family = .bridge
    } else if isOption("-human") || isOption("-human-readable") {
      isHuman = true
    } else if isOption("-iec") {
      isIEC = true
    } else if isOption("-stats") || isOption("-statistics") {
      statistics += 1
    } else if isOption("-details") {
      details += 1
    } else if isOption("-resolve") {
      return .refused(index, "the option -resolve is not modelled")
    } else if isOption("-oneline") {
      isOneLine = true
    } else if isOption("-timestamp") || isOption("-tshort") {
      return .refused(index, "the option -timestamp is not modelled")
    } else if isOption("-Version") {
      return .version
    } else if isOption("-force") {
      isForced = true
    } else if isOption("-batch") {
      guard let name = value() else { return .usage }
      batch = name
    } else if isOption("-brief") {
      isBrief = true
    } else if isOption("-json") {
      isJSON = true
    } else if isOption("-pretty") {
      isPretty = true
    } else if isOption("-rcvbuf") {
      if value() == nil { return .usage }
    } else if isColour(option) {
      // Standard output is no terminal here, so that `auto` does not colour it.
      isColoured = option.hasSuffix("=always") || !option.contains("=")
    } else if isOption("-help") {
      return .usage
    } else if isOption("-netns") {
      guard let name = value() else {
        return .failure(
          "Cannot open network namespace \"(null)\": No such file or directory\n",
          255
        )
      }
      namespace = name
    } else if isOption("-Numeric") {
      isNumeric = true
    } else if isOption("-all") {
      isAll = true
    } else {
      return .failure("Option \"\(option)\" is unknown, try \"ip -help\".\n", 255)
    }
    return nil
  }

  private func isColour(_ option: String) -> Bool {
    let name = option.split(separator: "=", maxSplits: 1).first.map(String.init) ?? option
    guard Self.matches(name, "-color") else { return false }
    let value = option.dropFirst(name.count)
    return ["", "=always", "=auto", "=never"].contains(String(value))
  }
}
