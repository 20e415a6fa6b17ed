import HopyardWire

/// The words that choose sockets for `ss`: states, then an expression of ports, addresses and
/// devices with `and`, `or`, `not` and parentheses.
struct SocketFilter {
  /// Why a filter is none: what ss says, and its exit status.
  struct Mistake: Error {
    var text: String
    var status: Int32
  }

  /// How two ports are compared.
  private enum Comparison {
    case equal, different, less, greater, notMore, notLess

    init?(_ word: String) {
      switch word {
      case "=", "==", "eq": self = .equal
      case "!=", "ne", "neq": self = .different
      case "<", "lt": self = .less
      case ">", "gt": self = .greater
      case "<=", "le", "leq": self = .notMore
      case ">=", "ge", "geq": self = .notLess
      default: return nil
      }
    }

    func holds(_ one: UInt16, _ other: UInt16) -> Bool {
      switch self {
      case .equal: one == other
      case .different: one != other
      case .less: one < other
      case .greater: one > other
      case .notMore: one <= other
      case .notLess: one >= other
      }
    }
  }

  private indirect enum Expression {
    case port(isLocal: Bool, Comparison, UInt16)
    case address(isLocal: Bool, IPv4Prefix?, UInt16?)
    case device(String, isSame: Bool)
    case not(Expression)
    case both(Expression, Expression)
    case either(Expression, Expression)
  }

  /// The states that are asked for; nil for the usual ones.
  var states: Set<String>?
  private var expression: Expression?

  private static let everyState: Set<String> = [
    "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "UNCONN",
    "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING",
  ]

  private static let stateNames: [String: Set<String>] = [
    "established": ["ESTAB"], "syn-sent": ["SYN-SENT"], "syn-recv": ["SYN-RECV"],
    "fin-wait-1": ["FIN-WAIT-1"], "fin-wait-2": ["FIN-WAIT-2"], "time-wait": ["TIME-WAIT"],
    "closed": ["UNCONN"], "unconnected": ["UNCONN"], "close-wait": ["CLOSE-WAIT"],
    "last-ack": ["LAST-ACK"], "listening": ["LISTEN"], "listen": ["LISTEN"],
    "closing": ["CLOSING"], "all": everyState,
    "connected": everyState.subtracting(["UNCONN", "LISTEN"]),
    "synchronized": everyState.subtracting(["UNCONN", "LISTEN", "SYN-SENT"]),
    "bucket": ["SYN-RECV", "TIME-WAIT"],
    "big": everyState.subtracting(["SYN-RECV", "TIME-WAIT"]),
  ]

  /// Reads a filter.
  init(_ words: [String]) throws(Mistake) {
    var tokens = Self.tokens(words)[...]
    while let word = tokens.first, word == "state" || word == "exclude" {
      tokens = tokens.dropFirst()
      guard let name = tokens.popFirst() else {
        throw Mistake(text: "ss: state requires an argument\n", status: 255)
      }
      guard let found = Self.stateNames[name] else {
        throw Mistake(text: "ss: wrong state name: \(name)\n", status: 255)
      }
      if word == "state" {
        states = (states ?? []).union(found)
      } else {
        states = (states ?? Self.everyState).subtracting(found)
      }
    }
    guard !tokens.isEmpty else { return }
    expression = try Self.alternatives(&tokens)
    if let rest = tokens.first { throw Self.noPrefix(rest) }
  }

  private static func noPrefix(_ word: String) -> Mistake {
    Mistake(
      text: "Error: an inet prefix is expected rather than \"\(word)\".\n"
        + "Cannot parse dst/src address.\n",
      status: 1
    )
  }

  /// The words, with parentheses and signs apart.
  private static func tokens(_ words: [String]) -> [String] {
    var found: [String] = []
    for word in words {
      for part in word.split(whereSeparator: { $0 == " " || $0 == "\t" }) {
        var current = ""
        func flush() {
          if !current.isEmpty { found.append(current) }
          current = ""
        }
        var previous: Character?
        for character in part {
          switch character {
          case "(", ")":
            flush()
            found.append(String(character))
          case "=", "<", ">", "!", "&", "|":
            if let previous, !"=<>!&|".contains(previous) { flush() }
            current.append(character)
          default:
            if let previous, "=<>!&|".contains(previous) { flush() }
            current.append(character)
          }
          previous = character
        }
        flush()
      }
    }
    return found
  }

  // MARK: Grammar

  private static func alternatives(_ tokens: inout ArraySlice<String>) throws(Mistake)
    -> Expression
  {
    var left = try conjunction(&tokens)
    while let word = tokens.first, ["or", "|", "||"].contains(word) {
      tokens = tokens.dropFirst()
      left = .either(left, try conjunction(&tokens))
    }
    return left
  }

  private static func conjunction(_ tokens: inout ArraySlice<String>) throws(Mistake)
    -> Expression
  {
    var left = try term(&tokens)
    while let word = tokens.first, !["or", "|", "||", ")"].contains(word) {
      if ["and", "&", "&&"].contains(word) { tokens = tokens.dropFirst() }
      left = .both(left, try term(&tokens))
    }
    return left
  }

  private static func term(_ tokens: inout ArraySlice<String>) throws(Mistake) -> Expression {
    guard let word = tokens.popFirst() else {
      throw Mistake(
        text: "ss: bison bellows (while parsing filter): \"syntax error!\"\n",
        status: 255
      )
    }
    switch word {
    case "not", "!": return .not(try term(&tokens))
    case "(":
      let inner = try alternatives(&tokens)
      guard tokens.popFirst() == ")" else {
        throw Mistake(
          text: "ss: bison bellows (while parsing filter): \"syntax error!\"\n",
          status: 255
        )
      }
      return inner
    case "sport", "dport": return try port(word == "sport", &tokens)
    case "src", "dst": return try address(word == "src", &tokens)
    case "dev":
      var isSame = true
      if let next = tokens.first, let comparison = Comparison(next) {
        isSame = comparison == .equal
        tokens = tokens.dropFirst()
      }
      guard let name = tokens.popFirst() else { throw noPrefix("") }
      return .device(name, isSame: isSame)
    default: throw noPrefix(word)
    }
  }

  private static func port(_ isLocal: Bool, _ tokens: inout ArraySlice<String>) throws(Mistake)
    -> Expression
  {
    var comparison = Comparison.equal
    if let next = tokens.first, let given = Comparison(next) {
      comparison = given
      tokens = tokens.dropFirst()
    }
    guard let text = tokens.popFirst() else { throw noPrefix("") }
    let name = text.hasPrefix(":") ? String(text.dropFirst()) : text
    guard let port = UInt16(name) ?? ServiceNames.port(name) else { throw noPrefix(text) }
    return .port(isLocal: isLocal, comparison, port)
  }

  private static func address(_ isLocal: Bool, _ tokens: inout ArraySlice<String>) throws(Mistake)
    -> Expression
  {
    var isSame = true
    if let next = tokens.first, let comparison = Comparison(next) {
      isSame = comparison == .equal
      tokens = tokens.dropFirst()
    }
    guard let text = tokens.popFirst() else { throw noPrefix("") }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    var port: UInt16?
    if parts.count == 2, parts[1] != "*" {
      guard let number = UInt16(parts[1]) ?? ServiceNames.port(parts[1]) else {
        throw noPrefix(text)
      }
      port = number
    }
    var prefix: IPv4Prefix?
    if parts[0] != "", parts[0] != "*" {
      guard parts.count <= 2,
        let found = IPv4Prefix(parts[0].contains("/") ? parts[0] : parts[0] + "/32")
      else { throw noPrefix(text) }
      prefix = found
    }
    let found = Expression.address(isLocal: isLocal, prefix, port)
    return isSame ? found : .not(found)
  }

  // MARK: Meaning

  /// Whether a socket is meant; `device` is the name of the one to which it is bound.
  func matches(_ row: SocketRow, device: String?) -> Bool {
    expression.map { Self.holds($0, row, device) } ?? true
  }

  private static func holds(_ expression: Expression, _ row: SocketRow, _ device: String?) -> Bool {
    switch expression {
    case .port(let isLocal, let comparison, let port):
      comparison.holds(isLocal ? row.localPort : row.remotePort, port)
    case .address(let isLocal, let prefix, let port):
      (prefix?.contains(isLocal ? row.localAddress : row.remoteAddress) ?? true)
        && (port == nil || (isLocal ? row.localPort : row.remotePort) == port)
    case .device(let name, let isSame): (device == name) == isSame
    case .not(let inner): !holds(inner, row, device)
    case .both(let one, let other): holds(one, row, device) && holds(other, row, device)
    case .either(let one, let other): holds(one, row, device) || holds(other, row, device)
    }
  }
}
