import Hopyard

/// The system calls of packetdrill scripts: opening and closing, and how calls wait.
extension PacketdrillRun {
  func call(_ name: String, _ arguments: [String], _ result: String, until end: Int64?) throws {
    let number = Int(result.prefix { $0 == "-" || $0.isNumber }) ?? 0
    switch name {
    case "socket": try open(arguments, number)
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
    case "ioctl": try control(arguments)
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
    case "accept", "accept4": try accept(arguments, result, number, until: end)
    case "connect": try connect(arguments, result, until: end)
    case "read", "recv", "recvfrom", "recvmsg", "readv":
      try read(name, arguments, result, until: end)
    case "write", "send", "sendto", "sendmsg", "writev":
      try write(name, arguments, result, until: end)
    case "close": try close(arguments)
    case "shutdown":
      let socket = try find(arguments)
      try expect(result) { () throws(SocketError) -> Int in
        let how = arguments.count > 1 ? arguments[1] : ""
        if how != "SHUT_WR" { try socket.shutdownRead() }
        if how != "SHUT_RD" { try socket.shutdownWrite() }
        return 0
      }
    case "open": files.insert(number)
    case "pipe": try pipe(arguments)
    case "splice": try splice(arguments, result, until: end)
    case "sendfile": try sendFile(arguments, result, until: end)
    case "poll": try poll(arguments, result, until: end)
    case "epoll_create", "epoll_create1": watches[number] = [:]
    case "epoll_ctl": try watch(arguments)
    case "epoll_wait": try waitForEvents(arguments, result, until: end)
    default: throw Ending.skipped("the call \(name)")
    }
  }

  func find(_ arguments: [String], _ place: Int = 0) throws -> TCPSocket {
    guard place < arguments.count, let descriptor = Int(arguments[place]),
      let socket = sockets[descriptor]
    else { throw Ending.skipped("a descriptor that is not a TCP socket") }
    return socket
  }

  func blocks(_ descriptor: String) -> Bool { !nonBlocking.contains(Int(descriptor) ?? -1) }

  private static let errors: [String: SocketError] = [
    "EAGAIN": .wouldBlock, "EWOULDBLOCK": .wouldBlock, "EPIPE": .brokenPipe,
    "ECONNRESET": .connectionReset, "ECONNREFUSED": .connectionRefused,
    "ETIMEDOUT": .timedOut, "EINPROGRESS": .inProgress, "EALREADY": .alreadyInProgress,
    "EISCONN": .alreadyConnected, "ENOTCONN": .notConnected, "EINVAL": .invalidArgument,
    "EADDRINUSE": .addressInUse, "EHOSTUNREACH": .hostUnreachable,
    "ENETUNREACH": .networkUnreachable, "EADDRNOTAVAIL": .addressNotAvailable,
    "ENOPROTOOPT": .protocolNotAvailable, "EMSGSIZE": .messageTooLong,
    "EHOSTDOWN": .hostDown, "EACCES": .accessDenied, "ECONNABORTED": .connectionAborted,
    "EOPNOTSUPP": .operationNotSupported,
  ]

  /// Makes a call and compares what it gives.
  func expect(_ result: String, _ body: () throws(SocketError) -> Int) throws {
    do {
      try compare(.success(try body()), result)
    } catch let error as SocketError {
      try compare(.failure(error), result)
    }
  }

  func compare(_ outcome: Result<Int, SocketError>, _ result: String) throws {
    let words = result.split(separator: " ")
    let wanted = words.count > 1 && words[0] == "-1" ? String(words[1]) : nil
    if let wanted, Self.errors[wanted] == nil { throw Ending.skipped("the error \(wanted)") }
    switch outcome {
    case .success(let value):
      if let wanted { throw Ending.wrong("the call gave \(value), expected \(wanted)") }
      if let number = Int(result), number != value {
        throw Ending.wrong("the call gave \(value), expected \(number)")
      }
    case .failure(let error):
      guard let wanted, Self.errors[wanted] == error else {
        throw Ending.wrong("the call failed with \(error), expected \(result)")
      }
    }
  }

  /// What came of a call that waits.
  final class Waiting {
    var outcome: Result<Int, SocketError>?
    var time: Int64 = 0
  }

  /// Makes a call; `body` gives its result, or nil as long as it has to wait.
  ///
  /// A call that may wait ends with what `late` gives once `patience` microseconds are over, if it
  /// has such; a call that may not fails with `EAGAIN`.
  func make(
    _ result: String,
    on queues: [WaitQueue],
    blocks: Bool,
    until end: Int64?,
    patience: Int64? = nil,
    late: Int = 0,
    _ body: @escaping () throws(SocketError) -> Int?
  ) throws {
    try advance(to: now + 5)
    let call = Waiting()
    attempt(call, body)
    let begin = now
    if call.outcome == nil {
      guard blocks else { return try compare(.failure(.wouldBlock), result) }
      guard end != nil || patience != nil else {
        throw Ending.wrong("the call waits, expected \(result)")
      }
      let deadline = patience.map { begin + $0 }
      simulation.spawn { [self] in
        while call.outcome == nil {
          let limit = deadline.map { Instant(nanoseconds: $0 * 1000) }
          if case .timedOut = await simulation.wait(on: queues, until: limit) {
            (call.outcome, call.time) = (.success(late), now)
          } else {
            attempt(call, body)
          }
        }
      }
    }
    guard let end else {
      if call.outcome == nil, let patience { try advance(to: begin + patience + 5) }
      guard let outcome = call.outcome else { throw Ending.wrong("the call does not end") }
      return try compare(outcome, result)
    }
    let slack = allowance(for: end - begin)
    schedule(at: max(end + slack, now)) { [self] in
      guard let outcome = call.outcome else {
        throw Ending.wrong("the call still waits, expected \(result)")
      }
      try compare(outcome, result)
      if abs(call.time - end) > slack {
        throw Ending.wrong("the call ended at \(call.time - start), expected \(end - start)")
      }
    }
    if call.outcome != nil { return }
    busy = call
  }

  private func attempt(_ call: Waiting, _ body: () throws(SocketError) -> Int?) {
    do throws(SocketError) {
      guard let value = try body() else { return }
      call.outcome = .success(value)
    } catch {
      call.outcome = .failure(error)
    }
    call.time = now
  }

  // MARK: Opening and closing

  private func open(_ arguments: [String], _ number: Int) throws {
    guard arguments.contains(where: { $0.hasPrefix("SOCK_STREAM") }) else {
      throw Ending.skipped("a socket that is not TCP")
    }
    if arguments.contains(where: { $0.contains("MPTCP") }) { throw Ending.skipped("MPTCP") }
    let socket = machine.root.sockets.makeTCP()
    sockets[number] = socket
    subject = socket
    if arguments.contains(where: { $0.contains("SOCK_NONBLOCK") }) { nonBlocking.insert(number) }
  }

  private func accept(_ arguments: [String], _ result: String, _ number: Int, until end: Int64?)
    throws
  {
    let socket = try find(arguments)
    let isNonBlocking = arguments.count > 3 && arguments[3].contains("SOCK_NONBLOCK")
    try make(result, on: [socket.readable], blocks: blocks(arguments[0]), until: end) {
      [self] () throws(SocketError) -> Int? in
      if socket.state != .listen { throw .invalidArgument }
      guard let child = socket.accept() else { return nil }
      sockets[number] = child
      subject = child
      if isNonBlocking { nonBlocking.insert(number) } else { nonBlocking.remove(number) }
      return number
    }
  }

  private func connect(_ arguments: [String], _ result: String, until end: Int64?) throws {
    let socket = try find(arguments)
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
    let isBlocking = blocks(arguments[0])
    if let failure {
      // The second call of a program that waited for the first.
      let isDone = failure == .alreadyConnected && socket.isEstablished && result == "0"
      return try compare(isDone ? .success(0) : .failure(failure), result)
    }
    guard isBlocking else {
      return try compare(
        socket.isEstablished ? .success(0) : .failure(.inProgress),
        result
      )
    }
    try make(
      result,
      on: [socket.writable, socket.readable],
      blocks: true,
      until: end ?? now + 5_000_000
    ) { () throws(SocketError) -> Int? in
      if let error = socket.takeError() { throw error }
      return socket.isEstablished ? 0 : nil
    }
  }

  private func close(_ arguments: [String]) throws {
    guard let descriptor = arguments.first.flatMap({ Int($0) }) else { return }
    if let socket = sockets.removeValue(forKey: descriptor) {
      nonBlocking.remove(descriptor)
      for name in watches.keys { watches[name]?[descriptor] = nil }
      socket.close()
    }
    watches[descriptor] = nil
    files.remove(descriptor)
  }
}
