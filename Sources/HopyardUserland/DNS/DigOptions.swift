import HopyardServices
import HopyardWire

/// What `dig` was asked for: options for all lookups, and the lookups.
struct DigOptions {
  /// One lookup with its options.
  struct Lookup {
    var name = "."
    var type = DNSRecordType.a
    var dnsClass = DNSClass.internet
    var hasName = false
    var hasType = false
    var server: String?
    var port: UInt16 = 53
    var source: String?
    var sourcePort: UInt16 = 0
    var usesTCP = false
    var wantsRecursion = true
    var traces = false
    var searches = false
    var usesEDNS = true
    var sendsCookie = true
    var bufferSize: UInt16 = 1232
    var wantsDNSSEC = false
    var setsAD = true
    var setsAA = false
    var setsCD = false
    var subnet: String?
    var timeout = 5
    var tries = 3
    var ignoresTruncation = false
    var triesNextServer = true
    var showsQuery = false
    var isShort = false
    var identifies = false
    var showsCommand = true
    var showsComments = true
    var showsQuestion = true
    var showsAnswer = true
    var showsAuthority = true
    var showsAdditional = true
    var showsStatistics = true
    var showsTTL = true
    var showsClass = true
    var usesTimeUnits = false
    var domain: String?
    var ndots: Int?
  }

  /// Why the arguments are no good.
  enum Failure: Error {
    /// The message and the exit status; with the usage behind it or not.
    case message(String, status: Int32, hasUsage: Bool)
    /// What is not modelled, in the argument with this index.
    case refused(Int, String)
    /// `-v` or `-h`.
    case version
    case help
  }

  var lookups: [Lookup] = []
  /// Warnings to print before anything else.
  var warnings: [String] = []

  static let usage = """
    Usage:  dig [@global-server] [domain] [q-type] [q-class] {q-opt}
                {global-d-opt} host [@local-server] {local-d-opt}
                [ host [@local-server] {local-d-opt} [...]]

    Use "dig -h" (or "dig -h | more") for complete list of options

    """

  /// Reads arguments; nil stands for one that is not known yet.
  init(_ arguments: [String?]) throws(Failure) {
    // What stands before the first name holds for all lookups.
    var common = Lookup()
    var current: Lookup?
    func finish(_ lookups: inout [Lookup]) {
      if let current { lookups.append(current) }
    }
    var index = 0
    func value(_ text: String) throws(Failure) -> String? {
      if text.utf8.count > 2 { return String(text.dropFirst(2)) }
      index += 1
      guard index < arguments.count else {
        throw .message("Invalid option: \(text)", status: 1, hasUsage: true)
      }
      return arguments[index]
    }
    while index < arguments.count {
      guard let text = arguments[index] else {
        if current == nil {
          current = common
          current?.hasName = true
        }
        index += 1
        continue
      }
      var lookup = current ?? common
      if text.hasPrefix("@") {
        lookup.server = String(text.dropFirst())
      } else if text.hasPrefix("+") {
        try Self.plus(text, index, &lookup)
      } else if text.hasPrefix("-"), text != "-" {
        let letter = text.dropFirst().first ?? "-"
        switch letter {
        case "x":
          guard let given = try value(text) else { break }
          finish(&lookups)
          lookup = common
          lookup.name = try Self.reverse(given)
          lookup.type = .ptr
          lookup.hasName = true
          lookup.hasType = true
          current = lookup
        case "q":
          guard let given = try value(text) else { break }
          finish(&lookups)
          lookup = common
          lookup.name = given
          lookup.hasName = true
          current = lookup
        case "t":
          guard let given = try value(text) else { break }
          if let type = Self.type(given) {
            lookup.type = type
            lookup.hasType = true
          } else {
            warnings.append(";; Warning, ignoring invalid type \(given)\n")
          }
        case "c":
          guard let given = try value(text) else { break }
          if let dnsClass = DNSClass(given) {
            lookup.dnsClass = dnsClass
          } else {
            warnings.append(";; Warning, ignoring invalid class \(given)\n")
          }
        case "p":
          guard let given = try value(text) else { break }
          guard let port = UInt16(given), port > 0 else {
            throw .message(
              "dig: Couldn't parse port number '\(given)'",
              status: 10,
              hasUsage: false
            )
          }
          lookup.port = port
        case "b":
          guard let given = try value(text) else { break }
          let parts = given.split(separator: "#", maxSplits: 1)
          lookup.source = parts.first.map(String.init)
          lookup.sourcePort = parts.count > 1 ? UInt16(parts[1]) ?? 0 : 0
        case "4", "m", "u", "r": break
        case "6": throw .refused(index, "dig -6: IPv6 is not modelled")
        case "v": throw .version
        case "h": throw .help
        case "f", "k", "y", "i", "d":
          throw .refused(index, "the option -\(letter) is not modelled")
        default: throw .message("Invalid option: \(text)", status: 1, hasUsage: true)
        }
      } else {
        // A type or class may stand without -t and -c where a name has been given.
        if lookup.hasName || current == nil, let type = Self.type(text), !lookup.hasType {
          lookup.type = type
          lookup.hasType = true
        } else if lookup.hasName || current == nil, let dnsClass = DNSClass(text),
          dnsClass != .any
        {
          lookup.dnsClass = dnsClass
        } else {
          finish(&lookups)
          var next = common
          if current == nil { next = lookup }
          next.name = text
          next.hasName = true
          current = next
          index += 1
          continue
        }
      }
      if current == nil { common = lookup } else { current = lookup }
      index += 1
    }
    finish(&lookups)
    if lookups.isEmpty {
      if !common.hasType { common.type = .ns }
      lookups = [common]
    }
    // Whether answers are short and the command is shown, dig has only once.
    let isShort = lookups.contains { $0.isShort }
    let showsCommand = lookups.allSatisfy { $0.showsCommand }
    for place in lookups.indices {
      lookups[place].isShort = isShort
      lookups[place].showsCommand = showsCommand
    }
  }

  /// A type by its name; a transfer is none that is asked here.
  private static func type(_ text: String) -> DNSRecordType? { DNSRecordType(text) }

  static func reverse(_ text: String) throws(Failure) -> String {
    if let address = IPv4Address(text) { return DNSName(reverse: .v4(address)).description }
    if let address = IPv6Address(text) { return DNSName(reverse: .v6(address)).description }
    // Fewer than four numbers ask for a network.
    let parts = text.split(separator: ".")
    guard (1...3).contains(parts.count), parts.allSatisfy({ UInt8($0) != nil }) else {
      throw .message("Invalid IP address \(text)", status: 1, hasUsage: false)
    }
    return parts.reversed().joined(separator: ".") + ".in-addr.arpa."
  }

  /// Options with a plus sign; each may be cut short as long as it is the only one that fits.
  private static let names = [
    "aaflag", "aaonly", "additional", "adflag", "all", "answer", "authority", "badcookie",
    "besteffort", "bufsize", "cdflag", "class", "cmd", "coflag", "comments", "cookie", "crypto",
    "defname", "dns64prefix", "dnssec", "do", "domain", "dscp", "edns", "ednsflags",
    "ednsnegotiation", "ednsopt", "expandaaaa", "expire", "fail", "header-only", "https",
    "https-get", "https-post", "http-plain", "idnin", "idnout", "identify", "ignore", "keepalive",
    "keepopen", "mapped", "multiline", "ndots", "nsid", "nssearch", "onesoa", "opcode", "padding",
    "qid", "qr", "question", "raflag", "rdflag", "recurse", "retry", "rrcomments", "search",
    "short", "showbadcookie", "showsearch", "split", "stats", "subnet", "tcflag", "tcp",
    "timeout", "time", "tls", "trace", "tries", "ttlid", "ttlunits", "unknownformat", "vc",
    "yaml", "zflag",
  ]

  private static func plus(_ text: String, _ index: Int, _ lookup: inout Lookup) throws(Failure) {
    let body = text.dropFirst()
    let halves = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    var name = halves.first.map(String.init) ?? ""
    let value = halves.count > 1 ? String(halves[1]) : nil
    var on = true
    if names.first(where: { $0.hasPrefix(name) }) == nil, name.hasPrefix("no") {
      on = false
      name = String(name.dropFirst(2))
    }
    let exact = names.first { $0 == name }
    guard !name.isEmpty, let option = exact ?? names.first(where: { $0.hasPrefix(name) }) else {
      throw .message("Invalid option: \(text)", status: 1, hasUsage: true)
    }
    func number(_ range: ClosedRange<Int>, _ what: String) throws(Failure) -> Int {
      guard let value, let number = Int(value), number >= 0 else {
        throw .message("dig: Couldn't parse \(what)", status: 10, hasUsage: false)
      }
      return min(max(number, range.lowerBound), range.upperBound)
    }
    switch option {
    case "aaflag", "aaonly": lookup.setsAA = on
    case "additional": lookup.showsAdditional = on
    case "adflag": lookup.setsAD = on
    case "all":
      lookup.showsQuestion = on
      lookup.showsAuthority = on
      lookup.showsAnswer = on
      lookup.showsAdditional = on
      lookup.showsComments = on
      lookup.showsStatistics = on
      lookup.showsCommand = on
    case "answer": lookup.showsAnswer = on
    case "authority": lookup.showsAuthority = on
    case "besteffort", "badcookie", "crypto", "keepopen", "onesoa", "rrcomments", "split",
      "showsearch", "idnin", "idnout", "mapped", "dscp", "ednsnegotiation", "showbadcookie",
      "qid", "unknownformat", "expandaaaa":
      break
    case "bufsize": lookup.bufferSize = on ? UInt16(try number(0...65_535, "buffer size")) : 1232
    case "cdflag": lookup.setsCD = on
    case "class": lookup.showsClass = on
    case "cmd": lookup.showsCommand = on
    case "comments": lookup.showsComments = on
    case "cookie": lookup.sendsCookie = on
    case "defname", "search": lookup.searches = on
    case "dnssec", "do": lookup.wantsDNSSEC = on
    case "domain":
      lookup.domain = on ? value : nil
      lookup.searches = on
    case "edns": lookup.usesEDNS = on
    case "fail": lookup.triesNextServer = !on
    case "identify": lookup.identifies = on
    case "ignore": lookup.ignoresTruncation = on
    case "ndots":
      lookup.ndots = try number(0...15, "ndots")
      lookup.searches = true
    case "qr": lookup.showsQuery = on
    case "question": lookup.showsQuestion = on
    case "recurse", "rdflag": lookup.wantsRecursion = on
    case "retry": lookup.tries = try number(0...1000, "retries") + 1
    case "short":
      lookup.isShort = on
      if on {
        lookup.showsQuestion = false
        lookup.showsAuthority = false
        lookup.showsAnswer = true
        lookup.showsAdditional = false
        lookup.showsComments = false
        lookup.showsStatistics = false
        lookup.showsCommand = false
      }
    case "stats": lookup.showsStatistics = on
    case "subnet": lookup.subnet = on ? value : nil
    case "tcp", "vc": lookup.usesTCP = on
    case "time", "timeout": lookup.timeout = max(1, try number(0...65_535, "timeout"))
    case "trace":
      lookup.traces = on
      if on {
        lookup.wantsRecursion = false
        lookup.identifies = true
        lookup.showsComments = false
        lookup.showsStatistics = false
        lookup.showsQuestion = false
        lookup.showsAdditional = false
        lookup.wantsDNSSEC = true
      }
    case "tries": lookup.tries = max(1, try number(0...1000, "tries"))
    case "ttlid": lookup.showsTTL = on
    case "ttlunits": lookup.usesTimeUnits = on
    default: throw .refused(index, "the option +\(option) is not modelled")
    }
  }
}
