import Hopyard

/// Socket options and `ioctl` in packetdrill scripts.
extension PacketdrillRun {
  func control(_ arguments: [String]) throws {
    let socket = try find(arguments)
    guard arguments.count > 2 else { throw Ending.skipped("an ioctl without a value") }
    try advance(to: now + 5)
    let value: Int
    switch arguments[1] {
    case "SIOCINQ", "FIONREAD", "TIOCINQ": value = socket.peek(1 << 30).count
    case "SIOCOUTQ", "TIOCOUTQ": value = socket.unsentCount
    case "SIOCOUTQNSD": value = socket.information.notSent
    default: throw Ending.skipped("the ioctl \(arguments[1])")
    }
    let wanted = values(arguments[2]).first ?? 0
    if value != wanted {
      throw Ending.wrong("\(arguments[1]) gives \(value), expected \(wanted)")
    }
  }

  private func values(_ text: String) -> [Int] {
    text.split(whereSeparator: { "[],{} ".contains($0) }).compactMap { word in
      Self.number(word) ?? word.split(separator: "=").last.flatMap { Self.number($0) }
    }
  }

  private static func number(_ word: some StringProtocol) -> Int? {
    word.hasPrefix("0x") ? Int(word.dropFirst(2), radix: 16) : Int(word)
  }

  private static let discoveries: [String: PathMTUDiscovery] = [
    "IP_PMTUDISC_DONT": .dont, "IP_PMTUDISC_WANT": .want, "IP_PMTUDISC_DO": .do,
    "IP_PMTUDISC_PROBE": .probe,
  ]

  func set(_ arguments: [String], _ result: String) throws {
    let socket = try find(arguments)
    guard arguments.count >= 4 else { throw Ending.skipped("a socket option") }
    let word = arguments[3].filter { !"[]\" ".contains($0) }
    let value = values(arguments[3]).first ?? 0
    switch arguments[2] {
    case "SO_REUSEADDR": socket.options.reusesAddress = value != 0
    case "SO_REUSEPORT": socket.options.reusesPort = value != 0
    case "SO_SNDBUF": socket.tcpOptions.sendBuffer = value
    case "SO_RCVBUF": socket.tcpOptions.receiveBuffer = value
    case "SO_KEEPALIVE": socket.tcpOptions.keepsAlive = value != 0
    case "SO_LINGER":
      let both = values(arguments[3])
      socket.tcpOptions.linger = both.first == 1 ? both.last : nil
    case "SO_MARK": socket.options.mark = UInt32(truncatingIfNeeded: value)
    case "SO_RCVLOWAT": socket.tcpOptions.receiveLowWater = max(value, 1)
    case "TCP_NODELAY": socket.tcpOptions.isNoDelay = value != 0
    case "TCP_CORK": socket.tcpOptions.isCorked = value != 0
    case "TCP_QUICKACK": socket.acknowledgesQuickly(value != 0)
    case "TCP_MAXSEG":
      if value != 0, !(88...32_767).contains(value) {
        return try compare(.failure(.invalidArgument), result)
      }
      socket.tcpOptions.maximumSegment = value
    case "TCP_KEEPIDLE": socket.tcpOptions.keepaliveIdle = value
    case "TCP_KEEPINTVL": socket.tcpOptions.keepaliveInterval = value
    case "TCP_KEEPCNT": socket.tcpOptions.keepaliveCount = value
    case "TCP_USER_TIMEOUT": socket.tcpOptions.userTimeout = value
    case "TCP_LINGER2": socket.tcpOptions.finTimeout = value
    case "TCP_SYNCNT": socket.tcpOptions.synCount = value
    case "TCP_DEFER_ACCEPT": socket.tcpOptions.deferAccept = value
    case "TCP_WINDOW_CLAMP": socket.tcpOptions.windowClamp = value
    case "TCP_NOTSENT_LOWAT":
      socket.tcpOptions.notSentLowWater = UInt32(truncatingIfNeeded: value)
    case "TCP_CONGESTION":
      guard let algorithm = CongestionAlgorithm(rawValue: word) else {
        throw Ending.skipped("the congestion control \(word)")
      }
      socket.tcpOptions.congestionControl = algorithm
    case "IP_TOS": socket.options.tos = UInt8(truncatingIfNeeded: value & ~3)
    case "IP_TTL": socket.options.ttl = UInt8(clamping: value)
    case "IP_FREEBIND": socket.options.isTransparent = value != 0
    case "IP_MTU_DISCOVER":
      socket.options.pathMTUDiscovery =
        Self.discoveries[word] ?? PathMTUDiscovery(rawValue: Int32(clamping: value))
    // What copies nothing behaves as what copies; the peek size of TCP_INQ is read with the data.
    case "SO_ZEROCOPY", "TCP_INQ", "SO_PRIORITY": break
    case "IP_RECVERR": socket.options.receivesErrors = value != 0
    default: throw Ending.skipped("the socket option \(arguments[2])")
    }
    try compare(.success(0), result)
  }

  func get(_ arguments: [String]) throws {
    let socket = try find(arguments)
    guard arguments.count >= 4 else { throw Ending.skipped("a socket option") }
    let options = socket.tcpOptions
    if arguments[2] == "TCP_CONGESTION" {
      let word = arguments[3].filter { !"[]\" ".contains($0) }
      let name = (options.congestionControl ?? .cubic).rawValue
      if word != name { throw Ending.wrong("TCP_CONGESTION is \(name), expected \(word)") }
      return
    }
    let wanted = values(arguments[3]).first ?? 0
    let value: Int
    switch arguments[2] {
    case "SO_ERROR": value = Int(socket.takeError()?.rawValue ?? 0)
    case "SO_REUSEADDR": value = socket.options.reusesAddress ? 1 : 0
    case "SO_REUSEPORT": value = socket.options.reusesPort ? 1 : 0
    case "SO_KEEPALIVE": value = options.keepsAlive ? 1 : 0
    case "SO_MARK": value = Int(socket.options.mark)
    case "SO_RCVLOWAT": value = options.receiveLowWater
    case "SO_ACCEPTCONN": value = socket.state == .listen ? 1 : 0
    case "SO_SNDBUF" where options.sendBuffer > 0: value = options.sendBuffer * 2
    case "SO_RCVBUF" where options.receiveBuffer > 0: value = options.receiveBuffer * 2
    case "TCP_MAXSEG":
      value =
        socket.state == .closed || socket.state == .listen
        ? (options.maximumSegment > 0 ? options.maximumSegment : 536)
        : socket.information.sendSegment
    case "TCP_NOTSENT_LOWAT": value = Int(options.notSentLowWater)
    case "TCP_NODELAY": value = options.isNoDelay ? 1 : 0
    case "TCP_CORK": value = options.isCorked ? 1 : 0
    case "TCP_DEFER_ACCEPT": value = options.deferAccept
    case "TCP_USER_TIMEOUT": value = options.userTimeout
    case "TCP_KEEPIDLE": value = options.keepaliveIdle > 0 ? options.keepaliveIdle : 7200
    case "TCP_KEEPINTVL":
      value = options.keepaliveInterval > 0 ? options.keepaliveInterval : 75
    case "TCP_KEEPCNT": value = options.keepaliveCount > 0 ? options.keepaliveCount : 9
    case "TCP_SYNCNT": value = options.synCount > 0 ? options.synCount : 5
    case "IP_TOS": value = Int(socket.options.tos)
    case "IP_MTU": value = socket.information.pathMTU
    default: throw Ending.skipped("the socket option \(arguments[2])")
    }
    if value != wanted {
      throw Ending.wrong("\(arguments[2]) is \(value), expected \(wanted)")
    }
  }
}
