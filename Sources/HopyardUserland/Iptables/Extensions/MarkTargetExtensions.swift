import HopyardSimulator
import HopyardWire

/// `-j MARK`.
final class MarkTargetExtension: RuleExtension {
  private var result: MarkTarget?

  init() {
    let ids = Array(0...4)
    func option(_ name: String, _ id: Int) -> ExtensionOption {
      ExtensionOption(name, id, excludes: ids.filter { $0 != id })
    }
    super.init(
      "MARK",
      [
        option("set-xmark", 0), option("set-mark", 1), option("and-mark", 2),
        option("or-mark", 3), option("xor-mark", 4),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id < 2 {
      let (value, mask) = try mark(value, option)
      result = MarkTarget(value, mask: option.id == 0 ? mask : mask | value)
      return
    }
    let bits = UInt32(truncatingIfNeeded: try number(value, option, 0...UInt64(UInt32.max)))
    result = MarkArithmetic.target(option.id - 2, bits)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else {
      throw .parameter(
        "MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required"
      )
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { result.map { .mark($0) } }
}

/// How `--and-mark`, `--or-mark` and `--xor-mark` become a value and a mask.
private enum MarkArithmetic {
  static func target(_ operation: Int, _ bits: UInt32) -> MarkTarget {
    switch operation {
    case 0: MarkTarget(0, mask: ~bits)
    case 1: MarkTarget(bits, mask: bits)
    default: MarkTarget(bits, mask: 0)
    }
  }
}

/// `-j CONNMARK`.
final class ConnectionMarkExtension: RuleExtension {
  private var set: MarkTarget?
  private var saves = false
  private var restores = false
  private var packetMask = UInt32.max
  private var mask = UInt32.max

  init() {
    let operations = Array(0...6)
    func option(_ name: String, _ id: Int, flag: Bool = false) -> ExtensionOption {
      ExtensionOption(name, id, flag: flag, excludes: operations.filter { $0 != id })
    }
    super.init(
      "CONNMARK",
      [
        option("set-xmark", 0), option("set-mark", 1), option("and-mark", 2),
        option("or-mark", 3), option("xor-mark", 4), option("save-mark", 5, flag: true),
        option("restore-mark", 6, flag: true), ExtensionOption("left-shift-mark", 7),
        ExtensionOption("right-shift-mark", 8), ExtensionOption("ctmask", 9, excludes: [11]),
        ExtensionOption("nfmask", 10, excludes: [11]), ExtensionOption("mask", 11),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    func bits() throws(IptablesFailure) -> UInt32 {
      UInt32(truncatingIfNeeded: try number(value, option, 0...UInt64(UInt32.max)))
    }
    switch option.id {
    case 0, 1:
      let (value, mask) = try mark(value, option)
      set = MarkTarget(value, mask: option.id == 0 ? mask : mask | value)
    case 2...4: set = MarkArithmetic.target(option.id - 2, try bits())
    case 5: saves = true
    case 6: restores = true
    case 7, 8:
      let bits = UInt8(truncatingIfNeeded: try number(value, option, 0...32))
      shift = bits == 0 ? nil : (option.id == 7, bits)
    case 9: mask = try bits()
    case 10: packetMask = try bits()
    default:
      packetMask = try bits()
      mask = packetMask
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard set != nil || saves || restores else {
      throw .parameter("CONNMARK target: No operation specified")
    }
  }

  /// The direction and number of bits of a shift.
  private var shift: (left: Bool, bits: UInt8)?

  private var change: ConnectionMarkTarget {
    if var set {
      // A mask beside a plain value takes the place of the value's own.
      if seen.contains(11), set.mask == .max { set.mask = mask }
      return .set(set)
    }
    return saves
      ? .save(packetMask: packetMask, mask: mask) : .restore(packetMask: packetMask, mask: mask)
  }

  override func target(_ context: ExtensionContext) -> Target? {
    guard let shift else { return .connectionMark(change) }
    return .connectionMark(.shifted(change, left: shift.left, bits: shift.bits))
  }
}

/// `-j CT`.
final class ConntrackTargetExtension: RuleExtension {
  private var result = ConntrackTarget()

  init() {
    super.init(
      "CT",
      [
        ExtensionOption("notrack", 0, flag: true), ExtensionOption("helper", 1),
        ExtensionOption("timeout", 2), ExtensionOption("ctevents", 3),
        ExtensionOption("expevents", 4), ExtensionOption("zone", 5),
        ExtensionOption("zone-orig", 6), ExtensionOption("zone-reply", 7),
      ]
    )
  }

  static let events: [(String, UInt32)] = [
    ("new", 1 << 0), ("related", 1 << 1), ("destroy", 1 << 2), ("reply", 1 << 3),
    ("assured", 1 << 4), ("protoinfo", 1 << 5), ("helper", 1 << 6), ("mark", 1 << 7),
    ("natseqinfo", 1 << 8), ("secmark", 1 << 9),
  ]
  static let expectationEvents: [(String, UInt32)] = [("new", 1 << 0)]

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0: result.isUntracked = true
    case 1: result.helper = text(value, maximum: 15)
    case 2: result.timeout = text(value, maximum: 31)
    case 3: result.events = try Self.set(value, Self.events)
    case 4: result.expectationEvents = try Self.set(value, Self.expectationEvents)
    default:
      result.zoneDirection = option.id == 5 ? .both : option.id == 6 ? .original : .reply
      result.zoneIsMark = value == "mark"
      if result.zoneIsMark { return }
      guard let number = IptablesNumber.parse(value), let zone = UInt16(exactly: number) else {
        throw .parameter("Cannot parse \(value) as a zone ID")
      }
      result.zone = zone
    }
  }

  private static func set(_ text: String, _ words: [(String, UInt32)]) throws(IptablesFailure)
    -> UInt32
  {
    var set: UInt32 = 0
    for word in text.split(separator: ",") {
      guard let known = words.first(where: { $0.0 == word.lowercased() }) else {
        throw .parameter("Unknown event type \"\(word)\"")
      }
      set |= known.1
    }
    return set
  }

  override func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? {
    // The kernel knows no timeout policies here, and helpers of known protocols only.
    if result.timeout != nil { throw .batch(["Invalid argument"]) }
    if let helper = result.helper {
      let known: Bool =
        switch (helper, context.protocol?.value) {
        case ("ftp", .tcp), ("irc", .tcp), ("sip", .tcp), ("h323", .tcp), ("pptp", .tcp): true
        case ("tftp", .udp), ("sip", .udp), ("snmp", .udp), ("netbios-ns", .udp): true
        default: false
        }
      if !known { throw .batch(["No such file or directory"]) }
    }
    return .conntrack(result)
  }
}
