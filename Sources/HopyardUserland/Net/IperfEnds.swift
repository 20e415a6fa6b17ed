import HopyardServices
import HopyardSimulator
import HopyardWire

/// `iperf3 -c`.
struct IperfClient {
  private let process: Process
  private let options: ParsedOptions
  private let host: String
  private let port: UInt16

  init(_ process: Process, _ options: ParsedOptions, _ host: String, _ port: UInt16) {
    self.process = process
    self.options = options
    self.host = host
    self.port = port
  }

  private func fail(_ message: String) async throws(ProcessExit) -> ProcessExit {
    try await process.printError("iperf3: error - \(message)\n")
    return .status(1)
  }

  private func plan() async throws(ProcessExit) -> IperfPlan {
    var plan = IperfPlan()
    plan.isUDP = options.has("u")
    plan.isReverse = options.has("R")
    plan.length = plan.isUDP ? 1448 : 131_072
    plan.rate = plan.isUDP ? 1_048_576 : 0
    func value(_ key: String, _ step: Double) async throws(ProcessExit) -> Double? {
      guard let text = options[key] else { return nil }
      guard let number = IperfCommand.number(text, step: step) else {
        throw try await fail("parameter error - bad value for -\(key)")
      }
      return number
    }
    if let rate = try await value("b", 1000) { plan.rate = rate }
    if let length = try await value("l", 1024) {
      guard length >= 16, length <= (plan.isUDP ? 65_507 : 1_048_576) else {
        throw try await fail("block size invalid (minimum = 16, maximum = 1048576)")
      }
      plan.length = Int(length)
    }
    if let time = try await value("t", 1) { plan.time = min(time, 86_400) }
    if let bytes = try await value("n", 1024), bytes >= 1 { plan.bytes = Int(bytes) }
    if let blocks = try await value("k", 1024), blocks >= 1 { plan.blocks = Int(min(blocks, 1e9)) }
    if let parallel = try await value("P", 1) {
      guard (1...128).contains(parallel) else {
        throw try await fail("number of parallel streams too large (maximum = 128)")
      }
      plan.parallel = Int(parallel)
    }
    return plan
  }

  func run() async throws(ProcessExit) -> Int32 {
    let plan = try await plan()
    let address: IPv4Address
    switch try await process.address(of: host) {
    case .success(let found): address = found
    case .failure(let error):
      throw try await fail("unable to connect to server: \(error.text)")
    }
    let isQuiet = options.has("J")
    var connection = TCPStream.Options()
    connection.source = options["B"].flatMap { IPv4Address($0) }
    let timeout = options["connect-timeout"].flatMap { Int64($0) }.map { Int64.milliseconds($0) }
    do throws(SocketError) {
      let stream = try await TCPStream.connect(
        process.program,
        to: address,
        port: port,
        timeout: timeout,
        options: connection
      )
      defer { stream.close() }
      if !isQuiet { await note("Connecting to host \(host), port \(port)\n") }
      return try await talk(IperfControl(stream: stream), plan, address, connection)
    } catch {
      if error == .interrupted {
        try process.takeInterruption()
        return 1
      }
      let why = error == .inProgress ? SocketError.timedOut : error
      throw try await fail("unable to connect to server: \(why.text)")
    }
  }

  private func note(_ text: String) async { try? await process.print(text) }

  private func cookie() -> [UInt8] {
    let letters = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
    return (0..<36).map { _ in letters[Int(process.simulation.random.next() % 32)] } + [0]
  }

  private func talk(
    _ control: IperfControl,
    _ plan: IperfPlan,
    _ address: IPv4Address,
    _ connection: TCPStream.Options
  ) async throws(SocketError) -> Int32 {
    let cookie = cookie()
    let isQuiet = options.has("J")
    let test = IperfTest(process, plan, sends: !plan.isReverse)
    defer { test.close() }
    try await control.stream.write(cookie)
    while let state = try await control.receive() {
      switch state {
      case .parameterExchange: try await control.send(plan.text)
      case .createStreams:
        if plan.isReverse, !isQuiet {
          await note("Reverse mode, remote host \(host) is sending\n")
        }
        for index in 0..<plan.parallel {
          let id = 5 + 2 * index
          let local: SocketAddress
          if plan.isUDP {
            let endpoint = try UDPEndpoint(process.program, connectedTo: address, port: port)
            try endpoint.send(Array("9876".utf8))
            guard try await endpoint.receive(until: process.simulation.now + .seconds(30)) != nil
            else { throw .timedOut }
            test.add(.udp(endpoint), id: id)
            local = endpoint.local
          } else {
            let stream = try await TCPStream.connect(
              process.program,
              to: address,
              port: port,
              options: connection
            )
            stream.socket.isNoDelay = options.has("N")
            try await stream.write(cookie)
            test.add(.tcp(stream), id: id)
            local = stream.local
          }
          if !isQuiet {
            await note(
              "[\(String(id).leftPadded(3))] local \(local.address) port \(local.port) connected to "
                + "\(address) port \(port)\n"
            )
          }
        }
      case .testStart: break
      case .testRunning:
        test.begin()
        try await watch(test, plan, isQuiet)
        try await control.send(.testEnd)
      case .exchangeResults:
        try await control.send(test.results)
        guard let text = try await control.receiveText() else { throw .connectionReset }
        test.take(text)
      case .displayResults:
        if isQuiet {
          await note(test.document(host: host, port: port, isServer: false))
        } else {
          await note(test.totalText(isServer: false) + "\niperf Done.\n")
        }
        try await control.send(.done)
        return 0
      case .accessDenied:
        try? await process.printError(
          "iperf3: error - the server is busy running a test. try again later\n"
        )
        return 1
      default:
        try? await process.printError("iperf3: error - the server has terminated\n")
        return 1
      }
    }
    try? await process.printError("iperf3: error - control socket has closed unexpectedly\n")
    return 1
  }

  /// Reports each interval until the test is over.
  private func watch(_ test: IperfTest, _ plan: IperfPlan, _ isQuiet: Bool)
    async throws(SocketError)
  {
    let interval = Int64((options["i"].flatMap { Double($0) } ?? 1) * 1e9)
    let end = plan.goal == nil ? test.start + Int64(plan.time * 1e9) : .distantFuture
    if !isQuiet { await note(test.intervalHeading) }
    var next = interval > 0 ? test.start + interval : end
    while process.simulation.now < end, !test.sentAll {
      try await process.program.wait(on: [test.finished], until: min(next, end))
      if process.simulation.now >= next, process.simulation.now < end {
        if !isQuiet { await note(test.intervalText()) }
        next = next + interval
      }
    }
    test.stop()
    if !isQuiet, test.hasPartialInterval || plan.goal != nil { await note(test.intervalText()) }
  }
}

/// `iperf3 -s`.
struct IperfServer {
  private let process: Process
  private let options: ParsedOptions
  private let port: UInt16

  init(_ process: Process, _ options: ParsedOptions, _ port: UInt16) {
    self.process = process
    self.options = options
    self.port = port
  }

  private func note(_ text: String) async {
    if !options.has("J") { try? await process.print(text) }
  }

  func run() async throws(ProcessExit) -> Int32 {
    let server: TCPServer
    do throws(SocketError) {
      server = try TCPServer(
        process.program,
        address: options["B"].flatMap { IPv4Address($0) } ?? .any,
        port: port
      )
    } catch {
      try await process.printError(
        "iperf3: error - unable to start listener for connections: \(error.text)\n"
          + "iperf3: exiting\n"
      )
      return 1
    }
    defer { server.close() }
    let rule = String(repeating: "-", count: 59) + "\n"
    var number = 1
    while true {
      await note(rule + "Server listening on \(port) (test #\(number))\n" + rule)
      do throws(SocketError) {
        guard let stream = try await server.accept() else { return 0 }
        defer { stream.close() }
        try await serve(stream, server)
      } catch {
        if error == .interrupted {
          try process.takeInterruption()
          return 0
        }
        try await process.printError("iperf3: error - \(error.text)\n")
      }
      if options.has("1") { return 0 }
      number += 1
    }
  }

  private func serve(_ stream: TCPStream, _ server: TCPServer) async throws(SocketError) {
    let control = IperfControl(stream: stream)
    guard let cookie = try await stream.readExactly(37) else { return }
    await note("Accepted connection from \(stream.peer.address), port \(stream.peer.port)\n")
    try await control.send(.parameterExchange)
    guard let text = try await control.receiveText() else { return }
    let plan = IperfPlan(parsing: text)
    let test = IperfTest(process, plan, sends: plan.isReverse)
    defer { test.close() }
    var listener: UDPEndpoint?
    if plan.isUDP {
      listener = try UDPEndpoint(process.program, port: port) { $0.options.reusesAddress = true }
    }
    try await control.send(.createStreams)
    for index in 0..<plan.parallel {
      let id = index == 0 ? 5 : 6 + 2 * index
      let peer: SocketAddress
      let local: SocketAddress
      if plan.isUDP {
        guard let endpoint = listener,
          let first = try await endpoint.receive(until: process.simulation.now + .seconds(30))
        else { throw .timedOut }
        // The socket becomes the stream's, and another one listens.
        try endpoint.socket.connect(to: first.source, port: first.sourcePort)
        listener = nil
        if index + 1 < plan.parallel {
          listener = try UDPEndpoint(process.program, port: port) {
            $0.options.reusesAddress = true
          }
        }
        try endpoint.send(Array("6789".utf8))
        test.add(.udp(endpoint), id: id)
        peer = SocketAddress(first.source, first.sourcePort)
        local = endpoint.local
      } else {
        guard let data = try await server.accept(until: process.simulation.now + .seconds(30)),
          try await data.readExactly(37) == cookie
        else { throw .timedOut }
        test.add(.tcp(data), id: id)
        peer = data.peer
        local = data.local
      }
      await note(
        "[\(String(id).leftPadded(3))] local \(local.address) port \(local.port) connected to "
          + "\(peer.address) port \(peer.port)\n"
      )
    }
    listener?.close()
    try await control.send(.testStart)
    try await control.send(.testRunning)
    test.begin()
    await note(test.intervalHeading)
    let interval = Int64((options["i"].flatMap { Double($0) } ?? 1) * 1e9)
    var next = test.start + max(interval, .milliseconds(100))
    while true {
      let byte: [UInt8]
      do throws(SocketError) {
        byte = try await stream.read(1, until: interval > 0 ? next : nil)
      } catch {
        guard error == .wouldBlock else { throw error }
        await note(test.intervalText())
        next = next + max(interval, .milliseconds(100))
        continue
      }
      guard let state = byte.first.flatMap({ IperfState(rawValue: $0) }) else {
        throw .connectionReset
      }
      if state == .testEnd { break }
      if state == .clientTerminate { return }
    }
    // What is still on its way counts too.
    if !test.sends { try await process.program.sleep(nanoseconds: .milliseconds(1)) }
    test.stop()
    if test.hasPartialInterval { await note(test.intervalText()) }
    try await control.send(.exchangeResults)
    guard let results = try await control.receiveText() else { return }
    test.take(results)
    try await control.send(test.results)
    try await control.send(.displayResults)
    if options.has("J") {
      try? await process.print(
        test.document(host: "\(stream.peer.address)", port: port, isServer: true)
      )
    } else {
      await note(test.totalText(isServer: true))
    }
    _ = try await control.receive()
  }
}
