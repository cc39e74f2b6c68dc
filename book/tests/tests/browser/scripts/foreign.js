// What the page has asked another host for.
return performance.getEntriesByType('resource')
    .filter(({ name }) => new URL(name).origin !== location.origin)
    .map(({ name, initiatorType }) => `asks for ${name} (${initiatorType})`);
