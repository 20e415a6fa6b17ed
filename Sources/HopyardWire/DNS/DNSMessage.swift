/// A question of a message.
public struct DNSQuestion: Hashable, Sendable, CustomStringConvertible {
  /// The name asked for.
  public var name: DNSName
  /// The type asked for.
  public var type: DNSRecordType
  /// The class, the Internet's in practice.
  public var dnsClass: DNSClass

  /// Makes a question.
  public init(_ name: DNSName, _ type: DNSRecordType, _ dnsClass: DNSClass = .internet) {
    self.name = name
    self.type = type
    self.dnsClass = dnsClass
  }

  /// The question as `dig` prints it, without the semicolon.
  public var description: String { "\(name)\t\(dnsClass)\t\(type)" }
}

/// What a message says beyond RFC 1035: its OPT pseudo-record (RFC 6891).
public struct DNSExtension: Hashable, Sendable {
  /// An option: a cookie, a client's subnet.
  public struct Option: Hashable, Sendable {
    /// Its number; 10 is a cookie (RFC 7873), 3 the name server identifier.
    public var code: UInt16
    /// Its content.
    public var bytes: [UInt8]

    /// Makes an option.
    public init(code: UInt16, bytes: [UInt8]) {
      self.code = code
      self.bytes = bytes
    }
  }

  /// How long a UDP message the sender takes.
  public var udpSize: UInt16
  /// The version, 0.
  public var version: UInt8
  /// Whether DNSSEC records are wanted.
  public var isDNSSECOK: Bool
  /// The options.
  public var options: [Option]

  /// Makes the extension.
  public init(
    udpSize: UInt16 = 1232,
    version: UInt8 = 0,
    isDNSSECOK: Bool = false,
    options: [Option] = []
  ) {
    self.udpSize = udpSize
    self.version = version
    self.isDNSSECOK = isDNSSECOK
    self.options = options
  }
}

/// A DNS message (RFC 1035 §4).
public struct DNSMessage: Hashable, Sendable {
  /// Pairs a response with its query.
  public var id: UInt16
  /// Whether it is a response (QR).
  public var isResponse = false
  /// What kind of query: 0 is the usual one.
  public var opcode: UInt8 = 0
  /// Whether the server has the zone itself (AA).
  public var isAuthoritative = false
  /// Whether something was left out for want of room (TC).
  public var isTruncated = false
  /// Whether the server shall ask others (RD).
  public var wantsRecursion = false
  /// Whether the server asks others (RA).
  public var offersRecursion = false
  /// Whether the data is authentic (AD, RFC 4035).
  public var isAuthenticated = false
  /// Whether checking shall be left out (CD, RFC 4035).
  public var leavesOutChecks = false
  /// What became of the query.
  public var responseCode = DNSResponseCode.noError
  /// The questions, one in practice.
  public var questions: [DNSQuestion] = []
  /// What answers them.
  public var answers: [DNSRecord] = []
  /// Who is responsible.
  public var authorities: [DNSRecord] = []
  /// What may be of use.
  public var additionals: [DNSRecord] = []
  /// EDNS, if it is used.
  public var edns: DNSExtension?

  /// Makes an empty message.
  public init(id: UInt16) { self.id = id }

  /// Makes a query for one name.
  public init(
    query name: DNSName,
    _ type: DNSRecordType,
    id: UInt16,
    wantsRecursion: Bool = true,
    edns: DNSExtension? = nil
  ) {
    self.id = id
    self.wantsRecursion = wantsRecursion
    self.edns = edns
    questions = [DNSQuestion(name, type)]
  }

  /// A response to this query, without answers.
  public func response(_ code: DNSResponseCode = .noError) -> DNSMessage {
    var response = DNSMessage(id: id)
    response.isResponse = true
    response.opcode = opcode
    response.wantsRecursion = wantsRecursion
    response.leavesOutChecks = leavesOutChecks
    response.responseCode = code
    response.questions = questions
    return response
  }

  /// The message cut down so that it fits, with TC set if something is missing (RFC 2181 §9).
  ///
  /// Additional records go first and quietly, then the answer and authority records all at once.
  public func truncated(to limit: Int, _ compression: DNSCompression = .full) -> DNSMessage {
    var message = self
    while message.encoded(compression).count > limit {
      if !message.additionals.isEmpty {
        message.additionals.removeLast()
      } else if !message.authorities.isEmpty || !message.answers.isEmpty {
        message.isTruncated = true
        message.authorities = []
        message.answers = []
      } else {
        message.isTruncated = true
        break
      }
    }
    return message
  }
}

extension DNSMessage: CustomStringConvertible {
  /// The message in a line: flags, question, counts.
  public var description: String {
    let question = questions.first.map { "\($0.name) \($0.type)" } ?? "-"
    if !isResponse { return "query \(id) \(question)" }
    let answer = answers.map { "\($0.type) \($0.data)" }.joined(separator: ", ")
    return "response \(id) \(responseCode) \(question)" + (answer.isEmpty ? "" : ": " + answer)
  }
}
