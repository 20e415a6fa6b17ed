import HopyardSimulator
import HopyardWire

/// One run of `socat`: opens both addresses and relays between them.
final class SocatRun {
  let process: Process
  let options: SocatOptions
  /// The next descriptor that a system call would give.
  var nextDescriptor = 5
  private var children: [Process] = []

  init(_ process: Process, _ options: SocatOptions) {
    self.process = process
    self.options = options
  }

  // MARK: Messages

  func say(_ letter: String, _ text: String) async throws(ProcessExit) {
    let levels = ["E": 0, "W": 1, "N": 2, "I": 3]
    guard options.level >= levels[letter] ?? 0 else { return }
    try await process.printError("\(stamp) socat[\(process.pid)] \(letter) \(text)\n")
  }

  /// Says what is wrong, and gives what ends the program.
  func fail(_ text: String) async throws(ProcessExit) -> ProcessExit {
    try await say("E", text)
    try await say("N", "exit(1)")
    return .status(1)
  }

  private var stamp: String {
    let seconds = process.wallClock.seconds
    let rest = seconds % 86_400
    let date = CalendarDate(daysSince1970: Int(seconds / 86_400))
    let time = [rest / 3600, rest / 60 % 60, rest % 60].map { DecimalText.zeroPadded($0, 2) }
    return date.slashed + " " + time.joined(separator: ":")
  }

  // MARK: Running

  func run(_ left: SocatAddress, _ right: SocatAddress) async throws(ProcessExit) -> Int32 {
    let reads = options.leftToRight
    let writes = options.rightToLeft
    process.ignoredSignals.insert(.pipe)
    var opener = SocatOpener(self, left, reads: reads, writes: writes)
    if left.has("fork") {
      try await opener.serve { child, channel async throws(ProcessExit) in
        try await child.finish(channel, right)
      }
      return 0
    }
    let channel = try await opener.open()
    return try await finish(channel, right)
  }

  /// Opens the second address and relays.
  func finish(_ channel: Channel, _ right: SocatAddress) async throws(ProcessExit) -> Int32 {
    defer {
      channel.close()
      for child in children where child.exitStatus == nil { child.send(.terminate) }
    }
    var opener = SocatOpener(
      self,
      right,
      reads: options.rightToLeft,
      writes: options.leftToRight
    )
    if right.has("fork") {
      try await opener.serve { child, other async throws(ProcessExit) in
        defer { other.close() }
        return try await child.relay(channel, other)
      }
      return 0
    }
    let other = try await opener.open()
    defer { other.close() }
    return try await relay(channel, other)
  }

  func adopt(_ child: Process) { children.append(child) }

  /// Carries data both ways until both sides have ended, or time has run out.
  func relay(_ left: Channel, _ right: Channel) async throws(ProcessExit) -> Int32 {
    try await say(
      "N",
      "starting data transfer loop with FDs [\(left.descriptors.read),\(left.descriptors.write)] "
        + "and [\(right.descriptors.read),\(right.descriptors.write)]"
    )
    var isLeftOpen = true
    var isRightOpen = true
    var isClosing = false
    while isLeftOpen || isRightOpen {
      var progressed = false
      if options.leftToRight, isLeftOpen {
        if try await !pass(left, right, &progressed) {
          isLeftOpen = false
          progressed = true
          try await say("N", "socket 1 (fd \(left.descriptors.read)) is at EOF")
          right.shutdownWrite()
          isClosing = true
          if !options.rightToLeft { break }
        }
      }
      if options.rightToLeft, isRightOpen {
        if try await !pass(right, left, &progressed) {
          isRightOpen = false
          progressed = true
          try await say("N", "socket 2 (fd \(right.descriptors.read)) is at EOF")
          left.shutdownWrite()
          isClosing = true
          if !options.leftToRight { break }
        }
      }
      if progressed { continue }
      var queues: [WaitQueue] = []
      if options.leftToRight, isLeftOpen, let queue = left.input { queues.append(queue) }
      if options.rightToLeft, isRightOpen, let queue = right.input { queues.append(queue) }
      let limit = isClosing ? options.closingTime : options.idleTime
      let deadline = limit.map { process.simulation.now + $0 }
      if case .timedOut = try await process.wait(on: queues, until: deadline) {
        if !isClosing { try await say("N", "inactivity timeout triggered") }
        break
      }
    }
    try await say("N", "exiting with status 0")
    return 0
  }

  /// Carries one piece; false at the end.
  private func pass(_ from: Channel, _ to: Channel, _ progressed: inout Bool)
    async throws(ProcessExit) -> Bool
  {
    switch from.receive(options.bufferSize) {
    case .nothing: return true
    case .end: return false
    case .failed(.connectionReset), .failed(.brokenPipe):
      // Only a warning, which is not shown unless asked for.
      try await say(
        "W",
        "read(\(from.descriptors.read), \(Channel.address), \(options.bufferSize)): "
          + SocketError.connectionReset.text
      )
      return false
    case .failed(let error):
      throw try await fail(
        "read(\(from.descriptors.read), \(Channel.address), \(options.bufferSize)): \(error.text)"
      )
    case .data(let bytes):
      progressed = true
      if !bytes.isEmpty || from.isDatagram {
        // An empty datagram is not passed on.
        if !bytes.isEmpty { try await write(bytes, to) }
      }
      return !from.endsAfterOne
    }
  }

  private func write(_ bytes: [UInt8], _ channel: Channel) async throws(ProcessExit) {
    try await process.step()
    var rest = bytes
    while !rest.isEmpty {
      let count: Int
      do {
        count = try channel.send(rest)
      } catch {
        throw try await fail("\(channel.writeCall(bytes.count)): \(error.text)")
      }
      if count > 0 {
        rest.removeFirst(min(count, rest.count))
        try await process.finishSending()
      } else {
        _ = try await process.wait(on: channel.output.map { [$0] } ?? [])
      }
    }
  }
}
