import Foundation
import Hopyard

/// The system calls of packetdrill scripts.
extension PacketdrillRun {
  func call(_ name: String, _ arguments: [String], _ result: String, until end: Int64?) throws {
    let number = Int(result.prefix { $0 == "-" || $0.isNumber }) ?? 0
    switch name {
    case "socket":
      guard arguments.contains(where: { $0.hasPrefix("SOCK_STREAM") }) else {
        throw Ending.skipped("a socket that is not TCP")
      }
      let socket = machine.root.sockets.makeTCP()
      sockets[number] = socket
      subject = socket
      if arguments.contains(where: { $0.contains("SOCK_NONBLOCK") }) { nonBlocking.insert(number) }
    case "fcntl":
      guard arguments.count == 3, arguments[1] == "F_SETFL", let descriptor = Int(arguments[0])
      else { return }
      if arguments[2].contains("O_NONBLOCK") {
        nonBlocking.insert(descriptor)
      } else {
        nonBlocking.remove(descriptor)
      }
    case "setsockopt": try set(arguments, result)
    case "getsockopt": try get(arguments)
    case "bind":
      let socket = try find(arguments)
      try expect(result) { () throws(SocketError) -> Int in
        try socket.bind(port: 8080)
        return 0
      }
    case "listen":
      let socket = try find(arguments)
      let backlog = Int(arguments.dropFirst().first ?? "") ?? 128
      try expect(result) { () throws(SocketError) -> Int in
        try socket.listen(backlog: backlog)
        return 0
      }
    case "accept": try accept(arguments, result, number, until: end)
    case "connect": try connect(arguments, result, until: end)
    case "read", "recv", "recvfrom", "recvmsg": try read(name, arguments, result, until: end)
    case "write", "send", "sendto", "sendmsg":
      try write(name, arguments, result, until: end)
    case "close":
      let socket = try find(arguments)
      socket.close()
      if let descriptor = Int(arguments[0]) { sockets[descriptor] = nil }
    case "shutdown":
      let socket = try find(arguments)
      try expect(result) { () throws(SocketError) -> Int in
        let how = arguments.count > 1 ? arguments[1] : ""
        if how != "SHUT_WR" { try socket.shutdownRead() }
        if how != "SHUT_RD" { try socket.shutdownWrite() }
        return 0
      }
    case "poll": try poll(arguments, result, until: end)
    case "ioctl": try control(arguments)
    default: throw Ending.skipped("the call \(name)")
    }
  }

  private func find(_ arguments: [String]) throws -> TCPSocket {
    guard let descriptor = arguments.first.flatMap({ Int($0) }), let socket = sockets[descriptor]
    else { throw Ending.skipped("a descriptor that is not a TCP socket") }
    return socket
  }

  private static let errors: [String: SocketError] = [
    "EAGAIN": .wouldBlock, "EWOULDBLOCK": .wouldBlock, "EPIPE": .brokenPipe,
    "ECONNRESET": .connectionReset, "ECONNREFUSED": .connectionRefused,
    "ETIMEDOUT": .timedOut, "EINPROGRESS": .inProgress, "EALREADY": .alreadyInProgress,
    "EISCONN": .alreadyConnected, "ENOTCONN": .notConnected, "EINVAL": .invalidArgument,
    "EADDRINUSE": .addressInUse, "EHOSTUNREACH": .hostUnreachable,
    "ENETUNREACH": .networkUnreachable,
  ]

  /// Makes a call and compares what it gives.
  private func expect(_ result: String, _ body: () throws(SocketError) -> Int) throws {
    let words = result.split(separator: " ")
    let wanted = words.count > 1 && words[0] == "-1" ? String(words[1]) : nil
    if let wanted, Self.errors[wanted] == nil { throw Ending.skipped("the error \(wanted)") }
    do {
      let value = try body()
      if let wanted { throw Ending.wrong("the call gave \(value), expected \(wanted)") }
      if let number = Int(result), number != value {
        throw Ending.wrong("the call gave \(value), expected \(number)")
      }
    } catch let error as SocketError {
      guard let wanted, Self.errors[wanted] == error else {
        throw Ending.wrong("the call failed with \(error), expected \(result)")
      }
    }
  }

  /// Makes a call now, or once its time is over if it may block until then.
  private func attempt(until end: Int64?, _ body: @escaping () throws -> Void) throws {
    if let end, end > now { return schedule(at: end, body) }
    try advance(to: now + 5)
    try body()
  }

  private func accept(_ arguments: [String], _ result: String, _ number: Int, until end: Int64?)
    throws
  {
    let socket = try find(arguments)
    try attempt(until: end) { [self] in
      try expect(result) { () throws(SocketError) -> Int in
        guard let child = socket.accept() else { throw .wouldBlock }
        sockets[number] = child
        subject = child
        return number
      }
    }
  }

  private func connect(_ arguments: [String], _ result: String, until end: Int64?) throws {
    let socket = try find(arguments)
    let isBlocking = !nonBlocking.contains(Int(arguments[0]) ?? -1)
    subject = socket
    var failure: SocketError?
    if let error = socket.takeError() {
      failure = error
    } else {
      do throws(SocketError) {
        try socket.connect(to: wire.remote, port: 8080)
      } catch {
        failure = error
      }
    }
    if failure == .alreadyConnected, socket.isEstablished, !isBlocking, result == "0" {
      failure = nil
    }
    if let failure { return try expect(result) { () throws(SocketError) -> Int in throw failure } }
    if !isBlocking {
      return try expect(result) { () throws(SocketError) -> Int in
        if socket.isEstablished { return 0 }
        throw .inProgress
      }
    }
    schedule(at: end ?? now + 5_000_000) { [self] in
      try expect(result) { () throws(SocketError) -> Int in
        if let error = socket.takeError() { throw error }
        if socket.isEstablished { return 0 }
        throw .inProgress
      }
    }
  }

  private func read(_ name: String, _ arguments: [String], _ result: String, until end: Int64?)
    throws
  {
    let socket = try find(arguments)
    let flags = arguments.last ?? ""
    if flags.contains("MSG_ERRQUEUE") { throw Ending.skipped("the error queue of TCP") }
    if result.contains("EFAULT") { return }
    var size = 65_536
    if name == "recvmsg" {
      size = try vectors(arguments)
    } else if arguments.count > 2, let value = Int(arguments[2]) {
      size = value
    }
    try attempt(until: end) { [self] in
      try expect(result) { () throws(SocketError) -> Int in
        if flags.contains("MSG_PEEK") { return socket.peek(size).count }
        guard let bytes = try socket.read(size) else { throw .wouldBlock }
        return bytes.count
      }
    }
  }

  private func write(_ name: String, _ arguments: [String], _ result: String, until end: Int64?)
    throws
  {
    let socket = try find(arguments)
    let flags = name == "write" ? "" : arguments.dropFirst(2).joined(separator: " ")
    for unmodelled in ["MSG_FASTOPEN", "MSG_ZEROCOPY", "MSG_OOB"]
    where flags.contains(unmodelled) {
      throw Ending.skipped(unmodelled)
    }
    if result.contains("EFAULT") { return }
    let size =
      name == "sendmsg"
      ? try vectors(arguments) : Int(arguments.count > 2 ? arguments[2] : "") ?? 0
    let hasMore = flags.contains("MSG_MORE")
    let endsRecord = flags.contains("MSG_EOR")
    let isBlocking =
      !nonBlocking.contains(Int(arguments[0]) ?? -1)
      && !flags.contains("MSG_DONTWAIT")
    var written = 0
    var failure: SocketError?
    func proceed() {
      guard written < size, failure == nil else { return }
      do throws(SocketError) {
        let bytes = [UInt8](repeating: 0x62, count: size - written)
        written += try socket.write(bytes, hasMore: hasMore, endsRecord: endsRecord)
      } catch {
        failure = error
      }
    }
    let check = { [self] in
      try expect(result) { () throws(SocketError) -> Int in
        if let failure { throw failure }
        if written == 0 && size > 0 { throw .wouldBlock }
        return written
      }
    }
    proceed()
    guard isBlocking, written < size, failure == nil else { return try check() }
    // The call goes on as room comes.
    simulation.spawn { [simulation] in
      while written < size, failure == nil, socket.state != .closed {
        _ = await simulation.wait(on: [socket.writable])
        proceed()
      }
    }
    if let end { schedule(at: end) { try check() } }
  }

  /// The sizes of `msg_iov` together.
  private func vectors(_ arguments: [String]) throws -> Int {
    let text = arguments.dropFirst().joined(separator: ",")
    guard let mark = text.range(of: "msg_iov(") else { return 0 }
    let list = text[mark.upperBound...].drop { $0 != "[" }.prefix { $0 != "]" }
    var total = 0
    for part in list.split(separator: "{").dropFirst() {
      let fields = part.prefix { $0 != "}" }.split(separator: ",").map { $0.trimmed }
      guard let size = fields.last.flatMap({ Int($0) }) else {
        throw Ending.skipped("an I/O vector without a size")
      }
      total += size
    }
    return total
  }

  private func poll(_ arguments: [String], _ result: String, until end: Int64?) throws {
    let text = arguments.first ?? ""
    func field(_ name: String) -> String {
      guard let mark = text.range(of: name + "=") else { return "" }
      return String(text[mark.upperBound...].prefix { $0 != "," && $0 != "}" }).trimmed
    }
    guard let descriptor = Int(field("fd")), let socket = sockets[descriptor] else {
      throw Ending.skipped("poll of several descriptors")
    }
    let asked = field("events")
    try attempt(until: end) { [self] in
      try expect(result) { () throws(SocketError) -> Int in
        let isReady =
          asked.contains("POLLOUT") && socket.isWritable
          || asked.contains("POLLIN") && socket.isReadable || socket.state == .closed
        return isReady ? 1 : 0
      }
    }
  }

  private func control(_ arguments: [String]) throws {
    let socket = try find(arguments)
    guard arguments.count > 2, arguments[1] == "SIOCINQ" || arguments[1] == "FIONREAD" else {
      throw Ending.skipped("the ioctl \(arguments.dropFirst().first ?? "")")
    }
    let wanted = Int(arguments[2].filter { $0 != "[" && $0 != "]" }) ?? 0
    try advance(to: now + 5)
    let waiting = socket.peek(1 << 30).count
    if waiting != wanted { throw Ending.wrong("\(waiting) bytes wait, expected \(wanted)") }
  }

  // MARK: Options

  private func values(_ text: String) -> [Int] {
    text.split(whereSeparator: { "[],{} ".contains($0) }).compactMap { word in
      Int(word) ?? word.split(separator: "=").last.flatMap { Int($0) }
    }
  }

  private func set(_ arguments: [String], _ result: String) throws {
    let socket = try find(arguments)
    guard arguments.count >= 4 else { throw Ending.skipped("a socket option") }
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
    case "TCP_MAXSEG":
      if !(88...32_767).contains(value) {
        return try expect(result) { () throws(SocketError) -> Int in throw .invalidArgument }
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
    case "IP_TOS": socket.options.tos = UInt8(truncatingIfNeeded: value & ~3)
    case "IP_FREEBIND": socket.options.isTransparent = value != 0
    case "IP_MTU_DISCOVER":
      let names: [String: PathMTUDiscovery] = [
        "IP_PMTUDISC_DONT": .dont, "IP_PMTUDISC_WANT": .want, "IP_PMTUDISC_DO": .do,
        "IP_PMTUDISC_PROBE": .probe,
      ]
      let name = arguments[3].filter { !"[] ".contains($0) }
      socket.options.pathMTUDiscovery = names[name] ?? PathMTUDiscovery(rawValue: Int32(value))
    default: throw Ending.skipped("the socket option \(arguments[2])")
    }
  }

  private func get(_ arguments: [String]) throws {
    let socket = try find(arguments)
    guard arguments.count >= 4 else { throw Ending.skipped("a socket option") }
    let wanted = values(arguments[3]).first ?? 0
    let value: Int
    switch arguments[2] {
    case "SO_ERROR": value = Int(socket.takeError()?.rawValue ?? 0)
    case "TCP_MAXSEG":
      value =
        socket.state == .closed || socket.state == .listen
        ? (socket.tcpOptions.maximumSegment > 0 ? socket.tcpOptions.maximumSegment : 536)
        : socket.information.sendSegment
    case "TCP_NOTSENT_LOWAT": value = Int(socket.tcpOptions.notSentLowWater)
    case "TCP_NODELAY": value = socket.tcpOptions.isNoDelay ? 1 : 0
    case "TCP_CORK": value = socket.tcpOptions.isCorked ? 1 : 0
    case "TCP_DEFER_ACCEPT": value = socket.tcpOptions.deferAccept
    default: throw Ending.skipped("the socket option \(arguments[2])")
    }
    if value != wanted {
      throw Ending.wrong("\(arguments[2]) is \(value), expected \(wanted)")
    }
  }
}
