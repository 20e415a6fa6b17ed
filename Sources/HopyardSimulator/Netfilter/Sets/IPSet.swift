import HopyardWire

/// A set of addresses, ports and the like, which rules ask (ipset(8)).
public final class IPSet {
  /// What a set says about an entry.
  enum Answer {
    case absent
    case member
    /// An entry with `nomatch` was found.
    case noMatch
  }

  /// A packet that asks: what it adds to counters, and which counters it wants.
  struct Visit {
    var bytes: UInt64
    var counts = true
    var wantedPackets: SetMatch.CounterMatch?
    var wantedBytes: SetMatch.CounterMatch?
  }

  /// The greatest number of entries that a set takes, whatever `maxelem` says.
  static let capacity = 1 << 24

  /// Its name.
  public internal(set) var name: String
  /// Its type.
  public let type: SetType
  /// What it was made with.
  public internal(set) var options: SetOptions
  @exclusivity(unchecked) unowned(unsafe) let simulation: Simulation
  @exclusivity(unchecked) var storage = SetStorage()
  /// The prefix lengths of the first and second network of entries.
  @exclusivity(unchecked) var prefixes = PrefixLengths()
  @exclusivity(unchecked) var secondPrefixes = PrefixLengths()
  /// Interface names of `wildcard` entries.
  @exclusivity(unchecked) var wildcards: [UInt32: Int] = [:]
  /// Where interfaces belong to entries: how many entries each network has.
  @exclusivity(unchecked) var networks: [SetKey: Int] = [:]
  /// The entries of a list, in their order.
  @exclusivity(unchecked) var members: [SetElement] = []
  /// The entry that answered last, with its mark, priority and queue.
  @exclusivity(unchecked) var lastFound: SetElement?
  let isFirstNetwork: Bool
  let isSecondNetwork: Bool

  init(_ name: String, _ type: SetType, _ options: SetOptions, in simulation: Simulation) {
    self.name = name
    self.type = type
    self.options = options
    self.simulation = simulation
    let addresses = type.parts.filter { $0 == .address || $0 == .network }
    isFirstNetwork = addresses.first == .network
    isSecondNetwork = addresses.count > 1 && addresses[1] == .network
  }

  private var now: Int64 { simulation.now.nanoseconds }

  /// The seed of its hash, as it is printed.
  public var seed: UInt32 {
    if let seed = options.seed { return seed }
    var hash = UInt64(truncatingIfNeeded: simulation.seed) ^ 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return UInt32(truncatingIfNeeded: hash ^ hash &>> 32)
  }

  /// The size of its hash now: it doubles when it fills up.
  public var hashSize: UInt32 {
    var size = max(64, UInt32(1) << UInt32(32 - max(0, options.hashSize &- 1).leadingZeroBitCount))
    while Int(size) * 4 < storage.count, size < 1 << 30 { size *= 2 }
    return size
  }

  /// About how much memory Linux would take for it.
  public var memorySize: Int {
    let information =
      (options.timeout != nil ? 8 : 0) + (options.hasCounters ? 16 : 0)
      + (options.hasComments ? 8 : 0) + (options.hasPacketInformation ? 16 : 0)
    switch type.method {
    case .list: return 80 + members.count * (48 + information)
    case .bitmap:
      let steps = valueCount
      let own = type.parts.count > 1 ? 8 : 0
      return 72 + (steps + 63) / 64 * 8 + steps * (own + information)
    case .hash:
      let size = (type.parts.count * 8 * (options.family == .ipv6 ? 2 : 1)) + information
      return 216 + storage.count * max(size, 24)
    }
  }

  /// How many values a bitmap has.
  var valueCount: Int {
    let count = Int(options.range.upperBound) - Int(options.range.lowerBound) + 1
    guard let prefix = options.prefix else { return count }
    return max(1, count >> (32 - Int(prefix)))
  }

  // MARK: Asking

  /// Whether an entry is there; networks are searched from the longest prefix on.
  @inline(__always)
  func answer(_ key: SetKey, _ visit: Visit? = nil) -> Answer {
    if isFirstNetwork || isSecondNetwork {
      let bits = UInt8(truncatingIfNeeded: options.family.addressBits)
      if (!isFirstNetwork || key.prefix == bits) && (!isSecondNetwork || key.secondPrefix == bits) {
        return search(key, visit)
      }
    }
    return exact(key, visit) ?? .absent
  }

  private func search(_ key: SetKey, _ visit: Visit?) -> Answer {
    var probe = key
    let outer = isFirstNetwork ? prefixes : secondPrefixes
    for length in outer.lengths {
      let mask = options.mask(length: Int(length))
      if isFirstNetwork {
        probe.address = key.address & mask
        probe.prefix = length
      } else {
        probe.secondAddress = key.secondAddress & mask
        probe.secondPrefix = length
      }
      if isFirstNetwork && isSecondNetwork {
        for second in secondPrefixes.lengths {
          probe.secondAddress = key.secondAddress & options.mask(length: Int(second))
          probe.secondPrefix = second
          if let answer = exact(probe, visit) { return answer }
        }
      } else {
        if let answer = exact(probe, visit) { return answer }
        // A network that stands for other interfaces hides the wider ones.
        if type.hasInterface, networks[network(probe)] != nil, storage.find(probe) < 0 {
          return .absent
        }
      }
    }
    return .absent
  }

  /// A key without its interface.
  private func network(_ key: SetKey) -> SetKey {
    var network = key
    network.word = 0
    network.flags = 0
    return network
  }

  /// Asks for one key; nil if nothing there takes the packet.
  @inline(__always)
  private func exact(_ key: SetKey, _ visit: Visit?) -> Answer? {
    let index = storage.find(key)
    if index >= 0, let answer = take(index, visit) { return answer }
    return wildcards.isEmpty ? nil : wildcard(key, visit)
  }

  private func wildcard(_ key: SetKey, _ visit: Visit?) -> Answer? {
    let name = simulation.interfaceName(UInt32(truncatingIfNeeded: key.word))
    for number in wildcards.keys.sorted()
    where name.utf8.starts(with: simulation.interfaceName(number).utf8) {
      var probe = key
      probe.word = UInt64(number)
      probe.flags |= SetKey.wildcard
      let index = storage.find(probe)
      if index >= 0, let answer = take(index, visit) { return answer }
    }
    return nil
  }

  @inline(__always)
  private func take(_ index: Int, _ visit: Visit?) -> Answer? {
    if storage[index].deadline <= now { return nil }
    if let visit, !meets(&storage[index], visit) { return nil }
    if options.hasPacketInformation { lastFound = storage[index] }
    return storage[index].isNoMatch ? .noMatch : .member
  }

  /// Counts a packet at an entry and compares the counters.
  @inline(__always)
  func meets(_ element: inout SetElement, _ visit: Visit) -> Bool {
    guard options.hasCounters else { return true }
    if visit.counts {
      element.packets &+= 1
      element.bytes &+= visit.bytes
    }
    if let wanted = visit.wantedPackets, !wanted.accepts(element.packets) { return false }
    if let wanted = visit.wantedBytes, !wanted.accepts(element.bytes) { return false }
    return true
  }

  // MARK: Changing

  /// Adds an entry; `exist` lets one that is there get new information instead.
  func add(
    _ key: SetKey,
    noMatch: Bool,
    _ information: SetExtension,
    exist: Bool
  ) throws(SetError) {
    let index = storage.find(key)
    if index >= 0 {
      let isExpired = storage[index].deadline <= now
      guard exist || isExpired else { throw .alreadyAdded }
      if isExpired {
        storage[index].packets = 0
        storage[index].bytes = 0
      }
      storage[index].isNoMatch = noMatch
      update(&storage[index], information)
      return
    }
    try makeRoom(for: key)
    var element = SetElement(key: key)
    element.isNoMatch = noMatch
    update(&element, information)
    _ = storage.insert(element)
    if isFirstNetwork { prefixes.add(key.prefix) }
    if isSecondNetwork { secondPrefixes.add(key.secondPrefix) }
    if type.hasInterface { networks[network(key), default: 0] += 1 }
    if key.flags & SetKey.wildcard != 0 {
      wildcards[UInt32(truncatingIfNeeded: key.word), default: 0] += 1
    }
  }

  /// Gives an entry what a request says of it.
  func update(_ element: inout SetElement, _ information: SetExtension) {
    if let timeout = options.timeout {
      element.deadline = deadline(information.timeout ?? timeout)
    }
    if let packets = information.packets { element.packets = packets }
    if let bytes = information.bytes { element.bytes = bytes }
    element.comment = information.comment.flatMap { $0.isEmpty ? nil : $0 }
    element.mark = information.mark?.value ?? 0
    element.markMask = information.mark?.mask ?? 0
    element.priority = information.priority ?? 0
    element.queue = information.queue ?? 0
  }

  /// When something ends that lasts so many seconds; 0 stands for ever.
  func deadline(_ seconds: UInt32) -> Int64 {
    seconds == 0 ? .max : now &+ Int64(seconds) &* 1_000_000_000
  }

  private func makeRoom(for key: SetKey) throws(SetError) {
    guard type.method == .hash else { return }
    let limit = min(Int(options.maximumCount), Self.capacity)
    if storage.count < limit { return }
    if options.timeout != nil { removeExpired() }
    if storage.count < limit { return }
    // A new entry takes the place of one in its own slot of the hash.
    guard options.forcesAdding else { throw .full }
    let slot = UInt64(hashSize &- 1)
    let victim = storage.indices().first { storage[$0].key.hash & slot == key.hash & slot }
    guard let victim else { throw .full }
    remove(victim)
  }

  /// Removes the entry of a key.
  func delete(_ key: SetKey) throws(SetError) {
    let index = storage.find(key)
    guard index >= 0 else { throw .notAdded }
    let isExpired = storage[index].deadline <= now
    remove(index)
    if isExpired { throw .notAdded }
  }

  private func remove(_ index: Int) {
    let key = storage[index].key
    if isFirstNetwork { prefixes.remove(key.prefix) }
    if isSecondNetwork { secondPrefixes.remove(key.secondPrefix) }
    if type.hasInterface {
      let left = networks[network(key), default: 1] - 1
      networks[network(key)] = left > 0 ? left : nil
    }
    if key.flags & SetKey.wildcard != 0 {
      let number = UInt32(truncatingIfNeeded: key.word)
      let left = wildcards[number, default: 1] - 1
      wildcards[number] = left > 0 ? left : nil
    }
    storage.remove(index)
  }

  /// Removes what has expired.
  func removeExpired() {
    for index in storage.indices() where storage[index].deadline <= now { remove(index) }
    members.removeAll { $0.deadline <= now }
  }

  /// Removes all entries.
  func flush() {
    storage.removeAll()
    prefixes = PrefixLengths()
    secondPrefixes = PrefixLengths()
    wildcards = [:]
    networks = [:]
    members = []
  }

  // MARK: Listing

  /// The entries: those of a bitmap by value, others in the order in which they came.
  public func entries() -> [SetEntry] {
    if type.method == .list {
      return members.filter { $0.deadline > now }.map { entry($0) }
    }
    var living = storage.indices().map { storage[$0] }.filter { $0.deadline > now }
    if type.method == .bitmap {
      living.sort { ($0.key.address, $0.key.port) < ($1.key.address, $1.key.port) }
    }
    return living.map { entry($0) }
  }

  private func entry(_ element: SetElement) -> SetEntry {
    var information = SetExtension()
    if options.timeout != nil {
      if let stored = element.storedTimeout {
        information.timeout = stored
      } else if element.deadline == .max {
        information.timeout = 0
      } else {
        information.timeout = max(
          1,
          UInt32(clamping: (element.deadline - now) / 1_000_000_000)
        )
      }
    }
    if options.hasCounters {
      information.packets = element.packets
      information.bytes = element.bytes
    }
    information.comment = element.comment
    if element.mark != 0 || element.markMask != 0 {
      information.mark = .init(element.mark, mask: element.markMask)
    }
    if element.priority != 0 { information.priority = element.priority }
    if element.queue != 0 { information.queue = element.queue }
    let key = element.key
    return SetEntry(
      address: key.address,
      prefix: key.prefix,
      secondAddress: key.secondAddress,
      secondPrefix: key.secondPrefix,
      protocol: key.protocol,
      port: key.port,
      secondPort: key.secondPort,
      hardwareAddress: element.isFilled
        ? (type.method == .bitmap ? element.hardwareAddress : key.word) : nil,
      mark: UInt32(truncatingIfNeeded: key.word),
      interface: type.hasInterface
        ? simulation.interfaceName(UInt32(truncatingIfNeeded: key.word)) : "",
      isPhysicalDevice: key.flags & SetKey.physicalDevice != 0,
      isWildcard: key.flags & SetKey.wildcard != 0,
      member: element.member,
      isNoMatch: element.isNoMatch,
      information: information
    )
  }
}

extension SetMatch.CounterMatch {
  /// Whether a counter meets the comparison.
  func accepts(_ counter: UInt64) -> Bool {
    switch comparison {
    case .equal: counter == value
    case .notEqual: counter != value
    case .less: counter < value
    case .greater: counter > value
    }
  }
}
