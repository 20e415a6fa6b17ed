/// What is done with the entries of a request.
public enum SetOperation: Sendable {
  /// They are added.
  case add
  /// They are removed.
  case delete
  /// The first is looked for.
  case test
}

extension IPSet {
  /// How many values one request may try.
  static let trialLimit = 1 << 24

  /// Carries out a request; what a test finds is its answer, else it is true.
  ///
  /// A request for many entries ends at the first that fails; those before it stay. `exist` passes
  /// over entries that are there already, or are not there to be removed.
  func perform(
    _ operation: SetOperation,
    _ request: SetRequest,
    exist: Bool
  ) throws(SetError) -> Bool {
    try checkInformation(request.information)
    if type.method == .bitmap { return try performOnBitmap(operation, request, exist) }
    var key = SetKey()
    try fillFixedParts(&key, request)
    let isTest = operation == .test
    var first = try blocks(request.addresses, isNetwork: isFirstNetwork, isTest: isTest)
    let ports = portRange(request)
    let secondPorts = secondPortRange(request)
    var tried = 0
    while let (address, prefix) = first.pop() {
      if type.parts.contains(where: { $0 == .address || $0 == .network }) {
        key.address = masked(address)
        key.prefix = isFirstNetwork ? prefix : 0
        if type.name == "hash:ip", key.address == 0 { throw .nullElement }
      }
      for port in ports {
        key.port = port
        var second = try blocks(
          request.secondAddresses,
          isNetwork: isSecondNetwork,
          isTest: isTest
        )
        while let (other, otherPrefix) = second.pop() {
          key.secondAddress = type.name == "hash:net,net" ? masked(other) : other
          key.secondPrefix = isSecondNetwork ? otherPrefix : 0
          for otherPort in secondPorts {
            key.secondPort = otherPort
            if isTest { return test(key, request) }
            tried += 1
            if tried > Self.trialLimit { throw .rangeTooLarge }
            try change(operation, key, request, exist)
          }
        }
      }
    }
    return true
  }

  private func masked(_ address: UInt128) -> UInt128 {
    if let mask = options.mask { return address & mask }
    if let prefix = options.prefix { return address & options.mask(length: Int(prefix)) }
    return address
  }

  private func test(_ key: SetKey, _ request: SetRequest) -> Bool {
    switch answer(key) {
    case .absent: false
    case .member: !(request.isNoMatch && type.hasNoMatch)
    case .noMatch: request.isNoMatch
    }
  }

  private func change(
    _ operation: SetOperation,
    _ key: SetKey,
    _ request: SetRequest,
    _ exist: Bool
  ) throws(SetError) {
    do throws(SetError) {
      if operation == .add {
        try add(key, noMatch: request.isNoMatch, request.information, exist: exist)
      } else {
        try delete(key)
      }
    } catch {
      guard exist, error == .alreadyAdded || error == .notAdded else { throw error }
    }
  }

  /// Refuses information that the set has no place for.
  func checkInformation(_ information: SetExtension) throws(SetError) {
    if information.timeout != nil, options.timeout == nil { throw .noTimeout }
    if information.packets != nil || information.bytes != nil, !options.hasCounters {
      throw .noCounters
    }
    if information.comment != nil, !options.hasComments { throw .noComments }
    if information.mark != nil || information.priority != nil || information.queue != nil,
      !options.hasPacketInformation
    {
      throw .noPacketInformation
    }
  }

  private func fillFixedParts(_ key: inout SetKey, _ request: SetRequest) throws(SetError) {
    for part in type.parts {
      switch part {
      case .hardwareAddress:
        guard let address = request.hardwareAddress else { throw .invalid }
        if address == 0 { throw .nullElement }
        key.word = address
      case .mark:
        guard let mark = request.mark else { throw .invalid }
        key.word = UInt64(mark & options.markMask)
      case .interface:
        guard let name = request.interface else { throw .invalid }
        key.word = UInt64(simulation.interfaceNameID(name))
        if request.isPhysicalDevice { key.flags |= SetKey.physicalDevice }
        if request.isWildcard { key.flags |= SetKey.wildcard }
      case .port:
        guard request.ports != nil else { throw .invalid }
        guard let number = request.protocol else { throw .missingProtocol }
        key.protocol = number
      case .address, .network:
        guard request.addresses != nil else { throw .invalid }
      case .set: throw .invalid
      }
    }
  }

  // MARK: Ranges

  /// The addresses or networks of a part; a part that the type lacks gives one empty value.
  private func blocks(
    _ wanted: SetRequest.Addresses?,
    isNetwork: Bool,
    isTest: Bool
  ) throws(SetError) -> AddressBlocks {
    let bits = options.family.addressBits
    guard let wanted else { return AddressBlocks(first: 0, last: 0, step: 1, bits: bits) }
    if let prefix = wanted.prefix {
      guard Int(prefix) <= bits, prefix > 0 || type.takesWholeNetworks else {
        throw .invalidPrefix
      }
    }
    if isNetwork {
      let prefix = Int(wanted.prefix ?? UInt8(truncatingIfNeeded: bits))
      guard let last = wanted.last, !isTest else {
        return single(wanted.first & options.mask(length: prefix), prefix)
      }
      if bits == 128 { throw .rangeUnsupported }
      let low = min(wanted.first, last)
      let high = max(wanted.first, last)
      if low == 0, high == options.mask(length: bits) { throw .wholeRange }
      return AddressBlocks(first: low, last: high, step: nil, bits: bits)
    }
    if isTest { return single(wanted.first, bits) }
    if bits == 128 {
      if wanted.last != nil { throw .rangeUnsupported }
      if let prefix = wanted.prefix, prefix != 128 { throw .invalidPrefix }
      return single(wanted.first, bits)
    }
    var low = wanted.first
    var high = low
    if let last = wanted.last {
      low = min(wanted.first, last)
      high = max(wanted.first, last)
    } else if let prefix = wanted.prefix {
      let mask = options.mask(length: Int(prefix))
      low = wanted.first & mask
      high = low | (options.mask(length: bits) ^ mask)
    }
    var step: UInt128 = 1
    if type.name == "hash:ip", let prefix = options.prefix {
      low &= options.mask(length: Int(prefix))
      step = UInt128(1) &<< UInt128(bits - Int(prefix))
    }
    return AddressBlocks(first: low, last: high, step: step, bits: bits)
  }

  /// One value that is not split, whatever its prefix length.
  private func single(_ address: UInt128, _ prefix: Int) -> AddressBlocks {
    AddressBlocks(only: address, prefix: prefix)
  }

  private static func hasPorts(_ number: UInt8) -> Bool {
    number == 6 || number == 17 || number == 132 || number == 136
  }

  private func portRange(_ request: SetRequest) -> ClosedRange<UInt16> {
    guard type.parts.contains(.port), let ports = request.ports, let number = request.protocol
    else { return 0...0 }
    guard Self.hasPorts(number) else {
      let isTyped = number == 1 || number == 58
      return isTyped ? ports.first...ports.first : 0...0
    }
    guard let last = ports.last else { return ports.first...ports.first }
    return min(ports.first, last)...max(ports.first, last)
  }

  private func secondPortRange(_ request: SetRequest) -> ClosedRange<UInt16> {
    guard type.parts.count == 4, let ports = request.secondPorts else { return 0...0 }
    guard let number = request.protocol, Self.hasPorts(number), let last = ports.last else {
      return ports.first...ports.first
    }
    return min(ports.first, last)...max(ports.first, last)
  }

  // MARK: Bitmaps

  private func performOnBitmap(
    _ operation: SetOperation,
    _ request: SetRequest,
    _ exist: Bool
  ) throws(SetError) -> Bool {
    var first: UInt128
    var last: UInt128
    var step: UInt128 = 1
    if let ports = request.ports, type.parts == [.port] {
      first = UInt128(ports.first)
      last = UInt128(ports.last ?? ports.first)
    } else {
      guard let wanted = request.addresses else { throw .invalid }
      first = wanted.first
      last = wanted.last ?? first
      if wanted.last == nil, let prefix = wanted.prefix, type.parts.count == 1 {
        guard prefix > 0, prefix <= 32 else { throw .invalidPrefix }
        let mask = options.mask(length: Int(prefix))
        first &= mask
        last = first | ~mask & UInt128(UInt32.max)
      }
    }
    if first > last { swap(&first, &last) }
    let range = UInt128(options.range.lowerBound)...UInt128(options.range.upperBound)
    guard range.contains(first), range.contains(last) else { throw .outOfRange }
    if let prefix = options.prefix {
      let mask = options.mask(length: Int(prefix))
      first &= mask
      step = UInt128(1) &<< UInt128(32 - Int(prefix))
    }
    var key = SetKey()
    var value = first
    while value <= last {
      if type.parts == [.port] {
        key.port = UInt16(truncatingIfNeeded: value)
      } else {
        key.address = value
      }
      if operation == .test { return testBitmap(key, request) }
      if operation == .add, type.parts.count == 2 {
        try addHardwareAddress(key, request, exist)
      } else {
        try change(operation, key, request, exist)
      }
      value += step
    }
    return true
  }

  private func testBitmap(_ key: SetKey, _ request: SetRequest) -> Bool {
    let index = storage.find(key)
    guard answer(key) == .member, index >= 0 else { return false }
    guard let wanted = request.hardwareAddress, storage[index].isFilled else { return true }
    return storage[index].hardwareAddress == wanted
  }

  /// An address may come first and its hardware address later, when the timeout begins to run.
  func addHardwareAddress(
    _ key: SetKey,
    _ request: SetRequest,
    _ exist: Bool
  ) throws(SetError) {
    let index = storage.find(key)
    let isExpired = index >= 0 && storage[index].deadline <= simulation.now.nanoseconds
    guard index >= 0, !isExpired else {
      if isExpired { try? delete(key) }
      try add(key, noMatch: false, request.information, exist: exist)
      fill(storage.find(key), request, isFirst: true)
      return
    }
    if !storage[index].isFilled, request.hardwareAddress != nil {
      fill(index, request, isFirst: false)
      return
    }
    guard exist else { throw .alreadyAdded }
    update(&storage[index], request.information)
    if storage[index].isFilled {
      if let address = request.hardwareAddress { storage[index].hardwareAddress = address }
    } else if options.timeout != nil {
      storage[index].storedTimeout = request.information.timeout ?? options.timeout
      storage[index].deadline = .max
    }
  }

  private func fill(_ index: Int, _ request: SetRequest, isFirst: Bool) {
    guard index >= 0 else { return }
    if let address = request.hardwareAddress {
      storage[index].hardwareAddress = address
      storage[index].isFilled = true
      if !isFirst, let timeout = request.information.timeout ?? storage[index].storedTimeout {
        storage[index].deadline = deadline(timeout)
      }
      storage[index].storedTimeout = nil
    } else {
      storage[index].isFilled = false
      if options.timeout != nil {
        storage[index].storedTimeout = request.information.timeout ?? options.timeout
        storage[index].deadline = .max
      }
    }
  }
}
