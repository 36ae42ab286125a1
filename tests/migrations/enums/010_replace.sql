ALTER TYPE color RENAME TO color_old;
CREATE TYPE color AS ENUM ('red', 'green');
ALTER TABLE paint ALTER c DROP DEFAULT, ALTER c TYPE color USING c::text::color, ALTER c SET DEFAULT 'red';
DROP TYPE color_old;
