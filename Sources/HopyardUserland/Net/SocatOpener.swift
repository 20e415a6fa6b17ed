import HopyardSimulator
import HopyardWire

/// Opens one address of `socat`.
struct SocatOpener {
  let run: SocatRun
  let address: SocatAddress
  /// Whether data comes from this side.
  let reads: Bool
  /// Whether data goes to this side.
  let writes: Bool

  init(_ run: SocatRun, _ address: SocatAddress, reads: Bool, writes: Bool) {
    self.run = run
    self.address = address
    self.reads = reads
    self.writes = writes
  }

  var process: Process { run.process }
  var namespace: NetworkNamespace { process.namespace }

  func takeDescriptor() -> Int {
    defer { run.nextDescriptor += 1 }
    return run.nextDescriptor
  }

  /// Opens the address once.
  func open() async throws(ProcessExit) -> Channel {
    switch address.kind {
    case .standardStreams:
      let channel = FileChannel(
        reader: reads ? process.descriptor(0) : nil,
        writer: writes ? process.descriptor(1) : nil
      )
      channel.descriptors = (reads ? 0 : 1, writes ? 1 : 0)
      try await run.say(
        "N",
        reads && writes
          ? "reading from and writing to stdio"
          : reads ? "using stdin for reading" : "using stdout for writing"
      )
      return channel
    case .standardInput: return try await standard(0, "stdin")
    case .standardOutput: return try await standard(1, "stdout")
    case .standardError: return try await standard(2, "stderr")
    case .file, .create: return try await openFile()
    case .pipe: return try await openPipe()
    case .exec, .system: return try await openCommand()
    case .interface: return try await openInterface()
    case .udpConnect, .udpSendTo, .udpDatagram, .udpReceive, .udpReceiveFrom, .udpListen:
      return try await openUDP()
    case .ipSendTo, .ipDatagram, .ipReceive, .ipReceiveFrom: return try await openRaw()
    case .tcpConnect, .tcpListen: return try await openTCP()
    case .proxy: return try await openProxy()
    case .socks4: return try await openSOCKS()
    case .tun: return try await openTun()
    }
  }

  /// Opens the address again and again, each time for a child process of its own.
  mutating func serve(
    _ body: @escaping (SocatRun, Channel) async throws(ProcessExit) -> Int32
  ) async throws(ProcessExit) {
    switch address.kind {
    case .udpReceiveFrom: try await serveReceiveFrom(body)
    case .udpListen: try await serveUDPListen(body)
    case .tcpListen: try await serveTCPListen(body)
    default: throw .refused("socat: fork with \(address.type) is not modelled")
    }
  }

  /// Starts a child that goes on with a channel.
  func fork(
    _ channel: Channel,
    environment: [String: String],
    _ body: @escaping (SocatRun, Channel) async throws(ProcessExit) -> Int32
  ) async throws(ProcessExit) {
    let child = try process.fork()
    child.name = "socat"
    for (name, value) in environment { child.environment[name] = value }
    child.environment["SOCAT_PID"] = String(child.pid)
    let childRun = SocatRun(child, run.options)
    childRun.nextDescriptor = run.nextDescriptor
    try await run.say("N", "forked off child process \(child.pid)")
    child.start { _ async throws(ProcessExit) in
      defer { channel.close() }
      return try await body(childRun, channel)
    }
  }

  // MARK: Files and commands

  private func standard(_ number: Int32, _ name: String) async throws(ProcessExit) -> Channel {
    let file = process.descriptor(number)
    let channel = FileChannel(reader: reads ? file : nil, writer: writes ? file : nil)
    channel.descriptors = (Int(number), Int(number))
    let what = reads && writes ? "reading and writing" : reads ? "reading" : "writing"
    try await run.say("N", "using \(name) for \(what)")
    return channel
  }

  private func openFile() async throws(ProcessExit) -> Channel {
    let path = address.parameters[0]
    let isNew = process.kind(of: path) == nil
    var flags = reads && writes ? 2 : writes ? 1 : 0
    var mode: OpenMode = reads && writes ? .readWrite : writes ? .write : .read
    let creates = address.has("creat") || address.kind == .create || address.type == "GOPEN"
    if creates { flags |= 0o100 }
    if address.has("append") {
      flags |= 0o2000
      mode = .append
    }
    if isNew && (!creates || mode == .read) {
      throw try await run.fail(
        "open(\"\(path)\", 0\(String(flags, radix: 8)), 0666): No such file or directory"
      )
    }
    let kind = isNew ? "undef" : "regular file"
    let verb = reads && writes ? "reading and writing" : writes ? "writing" : "reading"
    try await run.say("N", "opening \(kind) \"\(path)\" for \(verb)")
    if writes, !isNew, mode == .write, !address.has("trunc"), address.kind != .create {
      // The file keeps what is beyond the written part.
      mode = .readWrite
    }
    let file: OpenFile
    do {
      file = try process.open(path, mode)
    } catch {
      throw try await run.fail("open(\"\(path)\", 0\(String(flags, radix: 8)), 0666): \(error)")
    }
    let channel = FileChannel(reader: reads ? file : nil, writer: writes ? file : nil)
    let descriptor = takeDescriptor()
    channel.descriptors = (descriptor, descriptor)
    return channel
  }

  private func openPipe() async throws(ProcessExit) -> Channel {
    guard address.parameters.isEmpty else { throw .refused("socat: named pipes are not modelled") }
    let pipe = Pipe()
    let channel = FileChannel(reader: pipe.reader, writer: pipe.writer)
    channel.closesWriter = true
    channel.descriptors = (takeDescriptor(), takeDescriptor())
    try await run.say("N", "writing to and reading from unnamed pipe")
    return channel
  }

  private func openCommand() async throws(ProcessExit) -> Channel {
    let text = address.parameters[0]
    let arguments = address.kind == .system ? ["sh", "-c", text] : try words(text)
    let toChild = Pipe()
    let fromChild = Pipe()
    let channel = FileChannel(
      reader: reads ? fromChild.reader : nil,
      writer: writes ? toChild.writer : nil
    )
    channel.closesWriter = true
    let descriptor = takeDescriptor()
    channel.descriptors = (descriptor, descriptor)
    try await run.say(
      "N",
      "forking off child, using socket for "
        + (reads && writes ? "reading and writing" : reads ? "reading" : "writing")
    )
    let child = try process.spawn(arguments) { child in
      child.environment["SOCAT_VERSION"] = "1.7.4.4"
      child.environment["SOCAT_PID"] = String(self.process.pid)
      child.environment["SOCAT_PPID"] = String(self.process.pid)
      child.ignoredSignals.remove(.pipe)
      if self.writes { child.setDescriptor(0, toChild.reader) }
      if self.reads { child.setDescriptor(1, fromChild.writer) }
    }
    run.adopt(child)
    try await run.say("N", "forked off child process \(child.pid)")
    try await run.say("N", "forked off child process \(child.pid)")
    return channel
  }

  private func words(_ text: String) throws(ProcessExit) -> [String] {
    var words: [String] = []
    var current = ""
    var isWord = false
    var quote: Character?
    for character in text {
      if let open = quote {
        if character == open { quote = nil } else { current.append(character) }
      } else if character == "'" || character == "\"" {
        quote = character
        isWord = true
      } else if character == " " {
        if isWord { words.append(current) }
        current = ""
        isWord = false
      } else {
        current.append(character)
        isWord = true
      }
    }
    if isWord { words.append(current) }
    return words
  }

  private func openInterface() async throws(ProcessExit) -> Channel {
    guard let device = namespace.devices[address.parameters[0]] else {
      throw try await run.fail("unknown interface \"\(address.parameters[0])\"")
    }
    let socket = namespace.sockets.makePacket()
    process.own(socket)
    do {
      try socket.bind(ifindex: device.ifindex)
    } catch {
      socket.close()
      throw try await run.fail("bind(5, {AF=17}, 20): \(error.text)")
    }
    let channel = PacketChannel(socket)
    let descriptor = takeDescriptor()
    channel.descriptors = (descriptor, descriptor)
    return channel
  }
}
