import Hopyard

/// Reading and writing in packetdrill scripts.
extension PacketdrillRun {
  func read(_ name: String, _ arguments: [String], _ result: String, until end: Int64?)
    throws
  {
    let socket = try find(arguments)
    let flags =
      name == "read" || name == "readv"
      ? "" : arguments.dropFirst(name == "recvmsg" ? 2 : 3).joined(separator: " ")
    if flags.contains("MSG_OOB") { throw Ending.skipped("urgent data out of band") }
    if result.contains("EFAULT") { return }
    var size = 65_536
    if name == "recvmsg" || name == "readv" {
      size = try vectors(arguments)
    } else if arguments.count > 2, let value = Int(arguments[2]) {
      size = value
    }
    let waits = blocks(arguments[0]) && !flags.contains("MSG_DONTWAIT")
    let least =
      flags.contains("MSG_WAITALL") ? size : min(socket.tcpOptions.receiveLowWater, size)
    let isPeeking = flags.contains("MSG_PEEK")
    let inquiry = Self.inquiry(arguments)
    try make(result, on: [socket.readable], blocks: waits, until: end) {
      () throws(SocketError) -> Int? in
      let waiting = socket.peek(1 << 30).count
      if waits, waiting < least, !socket.isAtEnd { return nil }
      if isPeeking, waiting > 0 { return min(size, waiting) }
      if size == 0 { return 0 }
      return try socket.read(size)?.count
    }
    if let inquiry, end == nil {
      let left = socket.peek(1 << 30).count
      // The end of the stream counts as one more.
      let shown = left == 0 && socket.isAtEnd ? 1 : left
      if shown != inquiry { throw Ending.wrong("TCP_CM_INQ is \(shown), expected \(inquiry)") }
    }
  }

  /// The number that a script expects in a control message of `TCP_INQ`.
  private static func inquiry(_ arguments: [String]) -> Int? {
    let text = arguments.joined(separator: ",")
    guard let mark = text.firstRange(of: "TCP_CM_INQ"),
      let data = text[mark.upperBound...].firstRange(of: "cmsg_data=")
    else { return nil }
    return Int(text[data.upperBound...].prefix { $0.isNumber })
  }

  func write(_ name: String, _ arguments: [String], _ result: String, until end: Int64?)
    throws
  {
    let flags =
      name == "write" || name == "writev" ? "" : arguments.dropFirst(2).joined(separator: " ")
    for unmodelled in ["MSG_FASTOPEN", "MSG_OOB"] where flags.contains(unmodelled) {
      throw Ending.skipped(unmodelled)
    }
    if result.contains("EFAULT") { return }
    let size =
      name == "sendmsg" || name == "writev"
      ? try vectors(arguments) : Int(arguments.count > 2 ? arguments[2] : "") ?? 0
    if let pipe = Int(arguments[0]), pipes[pipe] != nil {
      pipes[pipe, default: 0] += size
      return
    }
    try send(
      size,
      by: find(arguments),
      hasMore: flags.contains("MSG_MORE"),
      endsRecord: flags.contains("MSG_EOR"),
      blocks: blocks(arguments[0]) && !flags.contains("MSG_DONTWAIT"),
      result,
      until: end
    )
  }

  private func send(
    _ size: Int,
    by socket: TCPSocket,
    hasMore: Bool,
    endsRecord: Bool,
    blocks: Bool,
    _ result: String,
    until end: Int64?
  ) throws {
    var written = 0
    try make(result, on: [socket.writable], blocks: blocks, until: end) {
      () throws(SocketError) -> Int? in
      do throws(SocketError) {
        let bytes = [UInt8](repeating: 0x62, count: size - written)
        written += try socket.write(bytes, hasMore: hasMore, endsRecord: endsRecord)
      } catch {
        if written == 0 { throw error }
        return written
      }
      if written == size || written > 0 && !blocks { return written }
      return nil
    }
  }

  /// The sizes of `msg_iov` together.
  private func vectors(_ arguments: [String]) throws -> Int {
    let text = arguments.dropFirst().joined(separator: ",")
    let mark = text.firstRange(of: "msg_iov(")?.upperBound ?? text.startIndex
    let list = text[mark...].drop { $0 != "[" }.prefix { $0 != "]" }
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

  // MARK: Pipes and files

  func pipe(_ arguments: [String]) throws {
    let ends = (arguments.first ?? "").split(whereSeparator: { "[], ".contains($0) })
      .compactMap { Int($0) }
    guard ends.count == 2 else { throw Ending.skipped("a pipe without two ends") }
    pipes[ends[0]] = 0
    pipes[ends[1]] = 0
    otherEnds[ends[1]] = ends[0]
  }

  /// `splice` from a socket into a pipe or from a pipe into a socket.
  func splice(_ arguments: [String], _ result: String, until end: Int64?) throws {
    guard arguments.count >= 5, let source = Int(arguments[0]), let target = Int(arguments[2]),
      let size = Int(arguments[4])
    else { throw Ending.skipped("a splice in another form") }
    let flags = arguments.count > 5 ? arguments[5] : ""
    if let socket = sockets[source], let reader = otherEnds[target] {
      let waits = blocks(arguments[0]) && !flags.contains("NONBLOCK")
      return try make(result, on: [socket.readable], blocks: waits, until: end) {
        [self] () throws(SocketError) -> Int? in
        guard let bytes = try socket.read(size) else { return nil }
        pipes[reader, default: 0] += bytes.count
        return bytes.count
      }
    }
    if let socket = sockets[target], let waiting = pipes[source] {
      let count = min(waiting, size)
      pipes[source] = waiting - count
      return try send(
        count,
        by: socket,
        hasMore: flags.contains("MORE"),
        endsRecord: false,
        blocks: blocks(arguments[2]) && !flags.contains("NONBLOCK"),
        result,
        until: end
      )
    }
    throw Ending.skipped("a splice without a socket")
  }

  /// `sendfile` of a file that is long enough.
  func sendFile(_ arguments: [String], _ result: String, until end: Int64?) throws {
    guard arguments.count >= 4, let size = Int(arguments[3]) else {
      throw Ending.skipped("a sendfile in another form")
    }
    try send(
      size,
      by: find(arguments),
      hasMore: false,
      endsRecord: false,
      blocks: blocks(arguments[0]),
      result,
      until: end
    )
  }
}

extension TCPSocket {
  /// Whether nothing more will come to be read.
  var isAtEnd: Bool { isReadable && peek(1).isEmpty }
}
