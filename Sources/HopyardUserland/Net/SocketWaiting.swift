import HopyardSimulator

extension Socket {
  /// Whether a program that waits to read has something to do.
  var hasSomething: Bool { hasData || pendingError != nil || !errorQueue.isEmpty || isClosed }
}

extension Process {
  /// Waits until a socket has data or an error; false when the deadline passed or a handled signal
  /// came.
  func waitToRead(_ socket: Socket, until deadline: Instant?) async throws(ProcessExit) -> Bool {
    while !socket.hasSomething {
      switch try await wait(on: [socket.readable], until: deadline) {
      case .woken: continue
      case .timedOut: return socket.hasSomething
      case .interrupted: return false
      }
    }
    return true
  }
}

extension Process {
  /// Lets the kernel handle what a sending call set off: on Linux the receive queue is worked on
  /// before the call returns.
  func finishSending() async throws(ProcessExit) {
    try await sleep(nanoseconds: 10_000)
  }
}
