import Hopyard

/// `poll` and `epoll` in packetdrill scripts.
extension PacketdrillRun {
  /// What a program watches a socket for with `epoll`.
  struct Watch {
    var events: Set<String>
    /// The socket's state when it was last looked at.
    var seen: Set<String> = []
    var received = 0
    /// Something happened since the last report.
    var isReady = true
    /// `EPOLLONESHOT` has fired.
    var isSpent = false
  }

  /// What `tcp_poll` tells of a socket, without the prefix of the names.
  static func state(of socket: TCPSocket) -> Set<String> {
    var events: Set<String> = []
    if socket.state == .listen { return socket.hasConnection ? ["IN", "RDNORM"] : [] }
    if socket.pendingError != nil { events.insert("ERR") }
    let isWriteShut: Bool
    var isReadShut = socket.isAtEnd
    switch socket.state {
    case .closed, .timeWait:
      events.insert("HUP")
      isReadShut = true
      isWriteShut = true
    case .finWait1, .finWait2, .closing: isWriteShut = true
    case .lastAck:
      events.insert("HUP")
      isWriteShut = true
      isReadShut = true
    case .closeWait:
      isWriteShut = false
      isReadShut = true
    default: isWriteShut = false
    }
    if isReadShut { events.formUnion(["IN", "RDNORM", "RDHUP"]) }
    guard socket.state != .synSent else { return events }
    if socket.isReadable { events.formUnion(["IN", "RDNORM"]) }
    if isWriteShut || socket.isWritable { events.formUnion(["OUT", "WRNORM"]) }
    return events
  }

  private static func names(_ text: some StringProtocol, _ prefix: String) -> Set<String> {
    Set(
      text.split(whereSeparator: { "| ".contains($0) })
        .compactMap { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : nil }
    )
  }

  private static func field(_ name: String, of text: some StringProtocol) -> String {
    let text = String(text)
    guard let mark = text.firstRange(of: name + "=") else { return "" }
    return String(text[mark.upperBound...].prefix { $0 != "," && $0 != "}" }).trimmed
  }

  private static let always: Set<String> = ["ERR", "HUP", "NVAL"]

  // MARK: poll

  func poll(_ arguments: [String], _ result: String, until end: Int64?) throws {
    struct Asked {
      var socket: TCPSocket
      var events: Set<String>
      var wanted: Set<String>
    }
    var asked: [Asked] = []
    for part in (arguments.first ?? "").split(separator: "{").dropFirst() {
      guard let descriptor = Int(Self.field("fd", of: part)), let socket = sockets[descriptor]
      else { throw Ending.skipped("poll of what is no TCP socket") }
      // "events=" is part of "revents=" too and stands before it.
      asked.append(
        Asked(
          socket: socket,
          events: Self.names(Self.field("events", of: part), "POLL"),
          wanted: Self.names(Self.field("revents", of: part), "POLL")
        )
      )
    }
    let timeout = (arguments.count > 2 ? Int64(arguments[2]) : nil) ?? 0
    var reported: [Set<String>] = asked.map { _ in [] }
    try make(
      result,
      on: asked.flatMap { [$0.socket.readable, $0.socket.writable] },
      blocks: timeout != 0,
      until: end,
      patience: timeout > 0 ? timeout * 1000 : nil
    ) { () throws(SocketError) -> Int? in
      reported = asked.map { Self.state(of: $0.socket).intersection($0.events.union(Self.always)) }
      let count = reported.count { !$0.isEmpty }
      return count > 0 ? count : timeout == 0 ? 0 : nil
    }
    guard end == nil else { return }
    for (item, events) in zip(asked, reported) where item.wanted != events {
      throw Ending.wrong("poll tells \(events.sorted()), expected \(item.wanted.sorted())")
    }
  }

  // MARK: epoll

  func watch(_ arguments: [String]) throws {
    guard arguments.count >= 3, let set = Int(arguments[0]), let descriptor = Int(arguments[2]),
      sockets[descriptor] != nil, watches[set] != nil
    else { throw Ending.skipped("epoll of what is no TCP socket") }
    switch arguments[1] {
    case "EPOLL_CTL_DEL": watches[set]?[descriptor] = nil
    case "EPOLL_CTL_ADD", "EPOLL_CTL_MOD":
      let text = arguments.count > 3 ? arguments[3] : ""
      watches[set]?[descriptor] = Watch(events: Self.names(Self.field("events", of: text), "EPOLL"))
    default: throw Ending.skipped("epoll_ctl \(arguments[1])")
    }
  }

  /// Takes note of what happened to watched sockets.
  func lookAtWatched() {
    for set in watches.keys {
      for (descriptor, old) in watches[set] ?? [:] {
        guard let socket = sockets[descriptor] else { continue }
        var watch = old
        let state = Self.state(of: socket)
        let news = state.subtracting(watch.seen)
        if !news.isDisjoint(with: watch.events.union(Self.always)) { watch.isReady = true }
        let received = Int(socket.information.bytesReceived)
        if received > watch.received, watch.events.contains("IN") { watch.isReady = true }
        watch.seen = state
        watch.received = received
        watches[set]?[descriptor] = watch
      }
    }
  }

  func waitForEvents(_ arguments: [String], _ result: String, until end: Int64?) throws {
    guard arguments.count >= 4, let set = Int(arguments[0]), watches[set] != nil else {
      throw Ending.skipped("epoll_wait in another form")
    }
    let timeout = Int64(arguments[3]) ?? 0
    var reported: [Int: Set<String>] = [:]
    let queues = (watches[set] ?? [:]).keys.sorted()
      .compactMap { sockets[$0] }.flatMap { [$0.readable, $0.writable] }
    try make(
      result,
      on: queues,
      blocks: timeout != 0,
      until: end,
      patience: timeout > 0 ? timeout * 1000 : nil
    ) { [self] () throws(SocketError) -> Int? in
      lookAtWatched()
      reported = takeEvents(of: set)
      return reported.isEmpty && timeout != 0 ? nil : reported.count
    }
    guard end == nil else { return }
    for part in arguments[1].split(separator: "{") {
      let wanted = Self.names(Self.field("events", of: part), "EPOLL")
      guard !wanted.isEmpty, let descriptor = Int(Self.field("fd", of: part)) else { continue }
      let got = reported[descriptor] ?? []
      if got != wanted {
        throw Ending.wrong("epoll tells \(got.sorted()), expected \(wanted.sorted())")
      }
    }
  }

  private func takeEvents(of set: Int) -> [Int: Set<String>] {
    var reported: [Int: Set<String>] = [:]
    for (descriptor, watch) in watches[set] ?? [:] where watch.isReady && !watch.isSpent {
      let events = watch.seen.intersection(watch.events.union(Self.always))
      guard !events.isEmpty else { continue }
      reported[descriptor] = events
      if watch.events.contains("ET") { watches[set]?[descriptor]?.isReady = false }
      if watch.events.contains("ONESHOT") { watches[set]?[descriptor]?.isSpent = true }
    }
    return reported
  }
}
