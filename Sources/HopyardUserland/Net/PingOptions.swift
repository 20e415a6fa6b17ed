import HopyardSimulator
import HopyardWire

/// What `ping` was asked for.
struct PingOptions {
  var host = ""
  var destination = IPv4Address.any
  /// `-c`; nil goes on for ever.
  var count: Int?
  /// `-i` in milliseconds.
  var interval = 1000
  /// `-W` in milliseconds.
  var linger = 10_000
  /// `-w` in seconds.
  var deadline: Int?
  var size = 56
  var ttl: UInt8?
  var device: String?
  var source: IPv4Address?
  var pathMTUDiscovery: PathMTUDiscovery?
  var isQuiet = false
  var isNumeric = false
  var pingsBroadcast = false
  var identifier: UInt16?
  var isFlood = false
  var pattern: [UInt8] = []
  var tos: UInt8 = 0
  var printsTimes = false
  var isVerbose = false
  var isAudible = false
  var isAdaptive = false
  var preload = 1
  var mark: UInt32?
  var isOnLinkOnly = false
  var loopsMulticast = true
  var reportsOutstanding = false
  var keepsSource = false
  /// `-R`.
  var recordsRoute = false
  /// The kind of `-T`: 0 times only, 1 with addresses, 3 for given addresses.
  var timestamps: UInt8?
  /// The hosts before the last one.
  var route: [IPv4Address] = []

  /// The IP options of the probes.
  var ipOptions: [UInt8] {
    if recordsRoute { return [1, 7, 39, 4] + [UInt8](repeating: 0, count: 36) }
    guard let timestamps else { return [] }
    if timestamps == 3 {
      var bytes: [UInt8] = [68, UInt8(truncatingIfNeeded: 4 + route.count * 8), 5, 3]
      for address in route {
        for shift: UInt32 in [24, 16, 8, 0] {
          bytes.append(UInt8(truncatingIfNeeded: address.rawValue >> shift))
        }
        bytes += [0, 0, 0, 0]
      }
      return bytes
    }
    let length: UInt8 = timestamps == 0 ? 40 : 36
    return [68, length, 5, timestamps] + [UInt8](repeating: 0, count: Int(length) - 4)
  }

  private static var twoOptions: Failure {
    Failure(message: "only one of -T or -R may be used", status: 2)
  }

  private static func timestampKind(_ text: String) throws(Failure) -> UInt8 {
    switch text {
    case "tsonly": 0
    case "tsandaddr": 1
    case "tsprespec": 3
    default: throw Failure(message: "invalid timestamp type: \(text)", status: 2)
    }
  }

  static let specification = OptionSpecification(
    "4aAbBc:dDe:fhi:I:l:Lm:M:nOp:qQ:rRs:S:t:T:UvVw:W:",
    refused: "6CF:N:"
  )

  /// An argument that ping does not take: its message and the exit status.
  struct Failure: Error {
    var message: String
    var status: Int32
  }

  init(_ parsed: ParsedOptions) throws(Failure) {
    for option in parsed.list {
      let value = option.value ?? ""
      switch option.key {
      case "a": isAudible = true
      case "A": isAdaptive = true
      case "b": pingsBroadcast = true
      case "B": keepsSource = true
      case "c": count = Int(try Self.integer(value, 1...Int64.max))
      case "D": printsTimes = true
      case "e": identifier = UInt16(try Self.integer(value, 0...65_535))
      case "f":
        isFlood = true
        if !parsed.has("i") { interval = 0 }
      case "i": interval = try Self.interval(value)
      case "I":
        if let address = IPv4Address(value) { source = address } else { device = value }
      case "l": preload = Int(try Self.integer(value, 1...65_536))
      case "L": loopsMulticast = false
      case "m": mark = UInt32(try Self.integer(value, 0...Int64(Int32.max)))
      case "M": pathMTUDiscovery = try Self.discovery(value)
      case "n": isNumeric = true
      case "O": reportsOutstanding = true
      case "p": pattern = try Self.pattern(value)
      case "q": isQuiet = true
      case "Q": tos = try Self.typeOfService(value)
      case "r": isOnLinkOnly = true
      case "R":
        guard timestamps == nil else { throw Self.twoOptions }
        recordsRoute = true
      case "T":
        guard !recordsRoute else { throw Self.twoOptions }
        timestamps = try Self.timestampKind(value)
      case "s": size = Int(try Self.integer(value, 0...Int64(Int32.max)))
      case "t": ttl = UInt8(try Self.integer(value, 0...255))
      case "v": isVerbose = true
      case "w": deadline = Int(try Self.integer(value, 0...Int64(Int32.max)))
      case "W": linger = try Self.linger(value)
      default: break
      }
    }
  }

  private static func integer(_ text: String, _ range: ClosedRange<Int64>) throws(Failure) -> Int64
  {
    let trimmed = text.drop { $0 == " " || $0 == "\t" }
    let value =
      trimmed.hasPrefix("0x") || trimmed.hasPrefix("0X")
      ? Int64(trimmed.dropFirst(2), radix: 16) : Int64(trimmed)
    guard let value else { throw Failure(message: "invalid argument: '\(text)'", status: 1) }
    guard range.contains(value) else {
      throw Failure(
        message: "invalid argument: '\(text)': out of range: "
          + "\(range.lowerBound) <= value <= \(range.upperBound)",
        status: 1
      )
    }
    return value
  }

  private static func seconds(_ text: String) -> Double? {
    guard let value = Double(text), value.isFinite else { return nil }
    return value
  }

  private static func interval(_ text: String) throws(Failure) -> Int {
    guard let value = seconds(text), value >= 0, value < Double(Int32.max) / 1000 else {
      throw Failure(message: "bad timing interval: \(text)", status: 2)
    }
    return Int(value * 1000)
  }

  private static func linger(_ text: String) throws(Failure) -> Int {
    guard let value = seconds(text), value >= 0, value <= Double(Int32.max) / 1_000_000 else {
      throw Failure(message: "bad linger time: \(text)", status: 2)
    }
    return Int(value * 1000)
  }

  private static func discovery(_ text: String) throws(Failure) -> PathMTUDiscovery {
    switch text {
    case "do": .do
    case "dont": .dont
    case "want": .want
    default: throw Failure(message: "invalid -M argument: \(text)", status: 2)
    }
  }

  private static func typeOfService(_ text: String) throws(Failure) -> UInt8 {
    let value =
      text.hasPrefix("0x") || text.hasPrefix("0X")
      ? Int(text.dropFirst(2), radix: 16) : Int(text)
    guard let value else { throw Failure(message: "bad TOS value: \(text)", status: 2) }
    guard (0...255).contains(value) else {
      throw Failure(
        message: "the decimal value of TOS bits must be in range 0-255: \(value)",
        status: 2
      )
    }
    return UInt8(value)
  }

  private static func pattern(_ text: String) throws(Failure) -> [UInt8] {
    let digits = text.utf8.map { UInt8(ascii: "0") <= $0 ? hexadecimalDigit($0) : nil }
    guard digits.allSatisfy({ $0 != nil }), !digits.isEmpty else {
      throw Failure(message: "patterns must be specified as hex digits: \(text)", status: 2)
    }
    let values = digits.compactMap { $0 }
    return stride(from: 0, to: min(values.count, 32), by: 2).map { index in
      index + 1 < values.count ? values[index] << 4 | values[index + 1] : values[index]
    }
  }

  private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  static let usage = """

    Usage
      ping [options] <destination>

    Options:
      <destination>      dns name or ip address
      -a                 use audible ping
      -A                 use adaptive ping
      -B                 sticky source address
      -c <count>         stop after <count> replies
      -C                 call connect() syscall on socket creation
      -D                 print timestamps
      -d                 use SO_DEBUG socket option
      -e <identifier>    define identifier for ping session, default is random for
                         SOCK_RAW and kernel defined for SOCK_DGRAM
                         Imply using SOCK_RAW (for IPv4 only for identifier 0)
      -f                 flood ping
      -h                 print help and exit
      -I <interface>     either interface name or address
      -i <interval>      seconds between sending each packet
      -L                 suppress loopback of multicast packets
      -l <preload>       send <preload> number of packages while waiting replies
      -m <mark>          tag the packets going out
      -M <pmtud opt>     define mtu discovery, can be one of <do|dont|want>
      -n                 no dns name resolution
      -O                 report outstanding replies
      -p <pattern>       contents of padding byte
      -q                 quiet output
      -Q <tclass>        use quality of service <tclass> bits
      -s <size>          use <size> as number of data bytes to be sent
      -S <size>          use <size> as SO_SNDBUF socket option value
      -t <ttl>           define time to live
      -U                 print user-to-user latency
      -v                 verbose output
      -V                 print version and exit
      -w <deadline>      reply wait <deadline> in seconds
      -W <timeout>       time to wait for response

    IPv4 options:
      -4                 use IPv4
      -b                 allow pinging broadcast
      -R                 record route
      -T <timestamp>     define timestamp, can be one of <tsonly|tsandaddr|tsprespec>

    IPv6 options:
      -6                 use IPv6
      -F <flowlabel>     define flow label, default is random
      -N <nodeinfo opt>  use icmp6 node info query, try <help> as argument

    For more details see ping(8).

    """
}
