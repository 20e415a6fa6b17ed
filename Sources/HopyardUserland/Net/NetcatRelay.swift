import HopyardSimulator

/// The loop in which `nc` carries standard input to the network and the network to standard output.
struct NetcatRelay {
  private static let bufferSize = 16_384

  let process: Process
  let options: NetcatOptions
  let channel: Channel

  init(_ process: Process, _ options: NetcatOptions, _ channel: Channel) {
    self.process = process
    self.options = options
    self.channel = channel
  }

  /// Relays until both directions, or the time, have ended.
  func run() async throws(ProcessExit) {
    var input = options.ignoresInput ? nil : process.descriptor(0)
    var isInputOpen = input != nil
    var isSendingOpen = true
    var isReceivingOpen = true
    var outgoing: [UInt8] = []
    var received = 0
    var quitAt: Instant?
    let timeout = options.timeout
    while true {
      if !isInputOpen && !isReceivingOpen && outgoing.isEmpty { return }
      if options.listens && !isReceivingOpen && outgoing.isEmpty { return }
      if options.interval > 0 {
        try await process.sleep(nanoseconds: .seconds(Int64(options.interval)))
      }
      var progressed = false
      // An error ends both directions.
      if channel.hasError, case .failed = channel.receive(1) {
        isReceivingOpen = false
        isSendingOpen = false
        isInputOpen = false
        outgoing = []
        continue
      }
      if isInputOpen, isSendingOpen, outgoing.count < Self.bufferSize, let file = input {
        let bytes: [UInt8]?
        do {
          bytes = try file.receive(Self.bufferSize - outgoing.count)
        } catch {
          bytes = []
        }
        if let bytes {
          progressed = true
          if bytes.isEmpty {
            isInputOpen = false
            input = nil
            if let delay = options.quitDelay, delay >= 0 {
              if delay == 0 && outgoing.isEmpty { throw .status(0) }
              quitAt = process.simulation.now + .seconds(Int64(delay))
            }
          } else {
            outgoing += options.sendsCarriageReturns ? Self.withCarriageReturns(bytes) : bytes
          }
        }
      }
      var hasSent = false
      if isSendingOpen, !outgoing.isEmpty {
        do {
          let count = try channel.send(outgoing)
          outgoing.removeFirst(min(count, outgoing.count))
          if count > 0 {
            progressed = true
            hasSent = true
          }
        } catch {
          isSendingOpen = false
          isInputOpen = false
          outgoing = []
          progressed = true
        }
      }
      if hasSent { try await process.finishSending() }
      if isReceivingOpen {
        switch channel.receive(Self.bufferSize) {
        case .nothing: break
        case .end:
          isReceivingOpen = false
          progressed = true
        case .failed:
          isReceivingOpen = false
          isSendingOpen = false
          isInputOpen = false
          outgoing = []
          progressed = true
        case .data(let bytes):
          progressed = true
          if bytes.isEmpty { isReceivingOpen = false }
          received += 1
          if let limit = options.receiveLimit, received >= limit {
            isReceivingOpen = false
            isInputOpen = false
          }
          try await process.write(bytes)
        }
      }
      if !isInputOpen, outgoing.isEmpty, isSendingOpen {
        if options.shutsDown { channel.shutdownWrite() }
        isSendingOpen = false
      }
      if progressed { continue }
      guard
        try await pause(
          isInputOpen ? input : nil,
          isReceivingOpen,
          !outgoing.isEmpty,
          timeout,
          quitAt
        )
      else { return }
    }
  }

  /// Waits until something can go on; false when the time is over.
  private func pause(
    _ input: OpenFile?,
    _ receives: Bool,
    _ sends: Bool,
    _ timeout: Int64?,
    _ quitAt: Instant?
  ) async throws(ProcessExit) -> Bool {
    var queues: [WaitQueue] = []
    if let queue = input?.readable { queues.append(queue) }
    if let queue = channel.input { queues.append(queue) }
    if sends, let queue = channel.output { queues.append(queue) }
    var deadline = timeout.map { process.simulation.now + $0 }
    if let quitAt { deadline = deadline.map { min($0, quitAt) } ?? quitAt }
    if case .timedOut = try await process.wait(on: queues, until: deadline) {
      if let quitAt, process.simulation.now >= quitAt { throw .status(0) }
      return false
    }
    return true
  }

  private static func withCarriageReturns(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for byte in bytes {
      if byte == 0x0A, result.last != 0x0D { result.append(0x0D) }
      result.append(byte)
    }
    return result
  }
}
