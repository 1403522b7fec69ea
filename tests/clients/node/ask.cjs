// Asks a server through npm's openmeteo and prints what the client read, as JSON.
// Usage: node ask.cjs URL PARAMETERS, where PARAMETERS is a JSON object.
const { fetchWeatherApi } = require("openmeteo");

const series = (variable) => ({
  variable: variable.variable(),
  unit: variable.unit(),
  altitude: variable.altitude(),
  aggregation: variable.aggregation(),
  value: variable.value(),
  // NaN becomes null, as in the server's JSON.
  values: variable.valuesArray() && Array.from(variable.valuesArray()),
  moments: Array.from({ length: variable.valuesInt64Length() }, (_, index) => Number(variable.valuesInt64(index))),
});

const section = (part) =>
  part && {
    time: Number(part.time()),
    timeEnd: Number(part.timeEnd()),
    interval: part.interval(),
    series: Array.from({ length: part.variablesLength() }, (_, index) => series(part.variables(index))),
  };

const place = (response) => ({
  latitude: response.latitude(),
  longitude: response.longitude(),
  elevation: response.elevation(),
  utcOffsetSeconds: response.utcOffsetSeconds(),
  timezone: response.timezone(),
  locationId: Number(response.locationId()),
  model: response.model(),
  current: section(response.current()),
  hourly: section(response.hourly()),
  daily: section(response.daily()),
});

const [url, parameters] = process.argv.slice(2);
fetchWeatherApi(url, JSON.parse(parameters)).then(
  (responses) => console.log(JSON.stringify({ places: responses.map(place) })),
  (error) => console.log(JSON.stringify({ error: error.message })),
);
