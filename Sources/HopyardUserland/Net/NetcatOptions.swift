import HopyardSimulator

/// What `nc` was asked for.
struct NetcatOptions {
  var listens = false
  var keepsListening = false
  var isUDP = false
  var scans = false
  var verbosity = 0
  var isNumeric = false
  var ignoresInput = false
  var shutsDown = false
  var wantsIPv6 = false
  var sendsCarriageReturns = false
  var allowsBroadcast = false
  /// `-w` in nanoseconds.
  var timeout: Int64?
  /// `-q` in seconds.
  var quitDelay: Int?
  var receiveLimit: Int?
  /// `-i` in seconds.
  var interval = 0
  var source: String?
  var port: String?
  var ttl: UInt8?
  var tos: UInt8?
  var wantsIPv4 = false
  var takesRandomOrder = false
  var proxy: NetcatProxy?
  var receiveBuffer: Int?
  var sendBuffer: Int?

  /// What is wrong with a value.
  struct Failure: Error {
    var message: String
  }

  mutating func read(_ parsed: ParsedOptions) throws(Failure) {
    if let place = parsed["x"] {
      guard let found = NetcatProxy(place, kind: parsed["X"] ?? "5", user: parsed["P"]) else {
        throw Failure(message: "unsupported proxy protocol")
      }
      proxy = found
    } else if parsed.has("X") {
      guard NetcatProxy("", kind: parsed["X"] ?? "5", user: nil) != nil else {
        throw Failure(message: "unsupported proxy protocol")
      }
    }
    for option in parsed.list {
      let value = option.value ?? ""
      switch option.key {
      case "6": wantsIPv6 = true
      case "4":
        wantsIPv6 = false
        wantsIPv4 = true
      case "r": takesRandomOrder = true
      case "b": allowsBroadcast = true
      case "C": sendsCarriageReturns = true
      case "d": ignoresInput = true
      case "I": receiveBuffer = try number(value, "TCP receive window", 1...65_536 << 14)
      case "O": sendBuffer = try number(value, "TCP send window", 1...65_536 << 14)
      case "i": interval = try number(value, "interval", 0...Int(Int32.max))
      case "k": keepsListening = true
      case "l": listens = true
      case "M":
        guard let number = Int(value) else { throw Failure(message: "ttl is invalid") }
        if number < 0 { throw Failure(message: "ttl is too small") }
        if number > 255 { throw Failure(message: "ttl is too large") }
        ttl = UInt8(number)
      case "N": shutsDown = true
      case "n": isNumeric = true
      case "p": port = value
      case "q": quitDelay = try number(value, "quit timer", Int(Int32.min)...Int(Int32.max))
      case "s": source = value
      case "T": tos = try typeOfService(value)
      case "u": isUDP = true
      case "v": verbosity += 1
      case "W": receiveLimit = try number(value, "receive limit", 1...Int(Int32.max))
      case "w":
        timeout = Int64(try number(value, "timeout", 0...Int(Int32.max) / 1000)) * 1_000_000_000
      case "z": scans = true
      default: break
      }
    }
  }

  private func number(_ text: String, _ what: String, _ range: ClosedRange<Int>) throws(Failure)
    -> Int
  {
    guard let value = Int(text) else { throw Failure(message: "\(what) invalid: \(text)") }
    if value < range.lowerBound { throw Failure(message: "\(what) too small: \(text)") }
    if value > range.upperBound { throw Failure(message: "\(what) too large: \(text)") }
    return value
  }

  private func typeOfService(_ text: String) throws(Failure) -> UInt8 {
    let names: [String: UInt8] = [
      "af11": 0x28, "af12": 0x30, "af13": 0x38, "af21": 0x48, "af22": 0x50, "af23": 0x58,
      "af31": 0x68, "af32": 0x70, "af33": 0x78, "af41": 0x88, "af42": 0x90, "af43": 0x98,
      "critical": 0xa0, "cs0": 0, "cs1": 0x20, "cs2": 0x40, "cs3": 0x60, "cs4": 0x80,
      "cs5": 0xa0, "cs6": 0xc0, "cs7": 0xe0, "ef": 0xb8, "inetcontrol": 0xc0, "lowdelay": 0x10,
      "netcontrol": 0xe0, "reliability": 4, "throughput": 8,
    ]
    if let value = names[text.lowercased()] { return value }
    let number = text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
    guard let number, (0...255).contains(number) else {
      throw Failure(message: "illegal tos value \(text)")
    }
    return UInt8(number)
  }

  func apply(to socket: Socket) {
    if let ttl {
      socket.options.ttl = ttl
      socket.options.multicastTTL = ttl
    }
    if let tos { socket.options.tos = tos }
    socket.options.allowsBroadcast = allowsBroadcast
    if let socket = socket as? TCPSocket {
      if let receiveBuffer { socket.tcpOptions.receiveBuffer = receiveBuffer }
      if let sendBuffer { socket.tcpOptions.sendBuffer = sendBuffer }
    } else if let receiveBuffer {
      socket.options.receiveBuffer = max(2304, min(receiveBuffer * 2, 8_388_608))
    }
  }
}
